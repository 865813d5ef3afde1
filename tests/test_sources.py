#!/usr/bin/env python3
"""What an import of logged hook payloads and of telemetry promises: the same session from them and its
transcript in any order, each payload and each request once, and of damage only what is damaged lost.

Environment: VARVE the command, SAMPLES the folder of samples.
"""
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

VARVE = os.environ["VARVE"]
SAMPLES = pathlib.Path(os.environ["SAMPLES"])
SESSION = "7d1f60c2-5a3b-4c8e-9b0d-2f6e8a41c9d7"
HOOKS = SAMPLES / "hooks"
LOGS = [SAMPLES / "otel" / "logs.jsonl", SAMPLES / "otel" / "logs-pretty.json"]


def line(kind, at, number, message, **more):
    return {"parentUuid": f"u{number - 1}" if number else None, "isSidechain": False, "cwd": "/home/mira/src/harbor",
            "sessionId": SESSION, "version": "2.1.200", "gitBranch": "lamps", "type": kind, "message": message,
            "uuid": f"u{number}", "timestamp": f"2026-05-04T09:{at}Z", **more}


def answer(at, number, lamp, content, usage, stop):
    message = {"id": f"msg_lamp{lamp}", "model": "claude-opus-4-5-20251101", "role": "assistant", "content": content,
               "stop_reason": stop, "usage": dict(zip(("input_tokens", "output_tokens", "cache_read_input_tokens",
                                                       "cache_creation_input_tokens"), usage))}
    return line("assistant", at, number, message, requestId=f"req_lamp{lamp}")


TRANSCRIPT = [
    line("user", "00:05.002", 0, {"role": "user", "content": "Trim the lantern wicks, please"}),
    answer("00:08.000", 1, 1, [{"type": "text", "text": "Looking."}], (12, 3, 2000, 500), None),
    answer("00:08.010", 2, 1, [{"type": "tool_use", "id": "toolu_01Lamp", "name": "Bash", "input": {}}],
           (12, 80, 2000, 500), "tool_use"),
    line("user", "00:10.300", 3, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01Lamp",
                                                              "content": "a wick"}]}),
    answer("00:14.000", 4, 2, [{"type": "text", "text": "Trimmed."}], (3, 40, 2500, 60), "end_turn"),
    line("user", "01:00.001", 5, {"role": "user", "content": "And oil the hinges, too"}),
    answer("01:04.000", 6, 3, [{"type": "text", "text": "Oiled."}], (4, 18, 2600, 0), "end_turn"),
]


class SourcesTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.transcript = self.folder / "projects" / "-home-mira-src-harbor" / f"{SESSION}.jsonl"
        self.transcript.parent.mkdir(parents=True)
        self.transcript.write_text("".join(json.dumps(entry) + "\n" for entry in TRANSCRIPT))

    def run_varve(self, store, *args, text=None, code=0, env=None):
        run = subprocess.run([VARVE, "--store", str(self.folder / store), "--format", "jsonl", *map(str, args)],
                             input=text, capture_output=True, env={**os.environ, **(env or {})})
        self.assertEqual(run.returncode, code, run.stderr.decode())
        self.stderr = run.stderr.decode()
        return [json.loads(row) for row in run.stdout.splitlines()]

    def take(self, store, *paths, text=None, env=None):
        return self.run_varve(store, "import", *paths, text=text, env=env)[0]

    def session(self, store, name=SESSION):
        return next(s for s in self.run_varve(store, "sessions", "--all") if s["session_id"] == name)

    def events(self, store, name=SESSION):
        return self.run_varve(store, "events", name)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
        return path

    # ---- One session from three sources ----

    def test_all_six_orders_give_the_same_session(self):
        sources = {"transcript": [self.transcript], "hooks": [HOOKS], "otel": LOGS}
        seen = []
        for number, order in enumerate(itertools.permutations(sources)):
            store = f"store{number}"
            for source in order:
                self.take(store, *sources[source])
            self.run_varve(store, "verify", "--deep")
            shown = self.run_varve(store, "show", SESSION)[0]
            for field in ("machine_id", "key", "row", "last_lsn", "last_seq"):
                shown.pop(field, None)
            seen.append((self.run_varve(store, "sessions", "--all"), self.run_varve(store, "usage", "total"), shown))
        for other in seen[1:]:
            self.assertEqual(other, seen[0])
        self.check_whole(self.session("store0"))
        shown = seen[0][2]
        self.assertEqual(shown["transcript_path"], str(self.transcript))
        self.assertEqual({name: part["events"] for name, part in shown["by_source"].items() if part["events"]},
                         {"transcript": len(TRANSCRIPT), "hook": 14, "otel": 9 - 2 + 2})

    def check_whole(self, session):
        self.assertEqual([session[f"{name}_tokens"] for name in ("input", "output", "cache_read", "cache_write")],
                         [12 + 3 + 4, 80 + 40 + 18, 7100, 560], "tokens are the transcript's")
        self.assertEqual(session["api_requests"], 3)
        self.assertEqual(session["user_messages"], 2)
        self.assertEqual(session["status"], "done", "the status is the hooks'")
        self.assertEqual(session["first_started_at"], "2026-05-04T09:00:00.000Z")
        self.assertEqual(session["last_activity_at"], "2026-05-04T09:02:00.000Z")
        self.assertEqual(session["first_user_message"], "Trim the lantern wicks, please", "as the transcript says")

    def test_a_request_counts_once_and_by_the_better_source(self):
        self.take("store", *LOGS)
        alone = self.session("store")
        self.assertEqual(alone["output_tokens"], 12 + 81 + 41 + 19)
        self.assertEqual(alone["cost_usd"], 0.011029)
        self.assertEqual((alone["api_requests"], alone["api_errors"], alone["tool_calls"]), (4, 1, 1))
        self.assertEqual(alone["context_tokens"], 2604, "of the last request of the main chain")
        self.take("store", self.transcript)
        total = self.run_varve("store", "usage", "total")[0]
        self.assertEqual(total["by_kind"]["message"]["output_tokens"], 80 + 40 + 18)

    # ---- Telemetry ----

    def test_records_are_kept_with_all_they_say(self):
        self.take("store", *LOGS)
        events = {(e["type"], e["time"][17:23]): e for e in self.events("store")}
        request = events["ApiRequest", "08.050"]
        self.assertEqual((request["source"], request["request_id"], request["model"], request["duration_ms"]),
                         ("otel", "req_lamp1", "claude-opus-4-5-20251101", 2100))
        self.assertNotIn("charge", request)
        self.assertEqual(request["metadata"]["scope"]["name"], "com.anthropic.claude_code.events")
        self.assertEqual(request["metadata"]["resource"]["attributes"][2]["key"], "host.arch")
        self.assertEqual(request["payload"]["body"]["stringValue"], "claude_code.api_request")
        self.assertEqual(events["ApiRequest", "14.020"]["cost_usd"], 0.00281, "from a double, to the nano-dollar")
        self.assertEqual(events["ApiRequest", "04.000"]["cost_usd"], 0.001795, "from micro-dollars")
        self.assertTrue(events["ApiRequest", "05.900"]["is_sidechain"])
        self.assertNotIn("text", events["UserPromptSubmit", "05.010"])
        self.assertEqual(events["UserPromptSubmit", "00.010"]["text"], "And oil the hinges")
        tool = events["PostToolUse", "10.190"]
        self.assertEqual((tool["tool_name"], tool["tool_use_id"], tool["subtype"]), ("Bash", "toolu_01Lamp", "success"))
        self.assertEqual(events["tool_decision", "09.090"]["subtype"], "accept")
        self.assertEqual(events["ApiError", "59.000"]["error"], "Overloaded")

    def test_spans_count_a_chat_and_no_sum_of_chats(self):
        self.take("store", SAMPLES / "otel" / "spans.jsonl")
        session = self.session("store", "conv-lagoon")
        self.assertEqual([session[f"{name}_tokens"] for name in ("input", "output", "cache_read", "cache_write", "reasoning")],
                         [150, 70, 800, 50, 30])
        self.assertEqual((session["framework"], session["model"], session["api_requests"], session["tool_calls"]),
                         ("lagoon-agent", "tide-1-mini", 1, 1))
        self.assertIsNone(session["cost_usd"])

    def test_without_a_sequence_equal_records_all_count(self):
        record = {"timeUnixNano": "1777885200000000000", "attributes": [
            {"key": "session.id", "value": {"stringValue": "s"}}, {"key": "event.name", "value": {"stringValue": "api_request"}},
            {"key": "output_tokens", "value": {"stringValue": "5"}}, {"key": "cost_usd", "value": {"stringValue": "0.5"}}]}
        export = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record, record]}]}]}) + "\n"
        log = self.file("log.jsonl", export)
        self.assertEqual(self.take("store", log)["events_added"], 2)
        log.write_text(export * 2)
        self.assertEqual(self.take("store", log)["events_added"], 2, "a grown file brings what is new")
        self.assertEqual(self.take("store", self.file("copy.jsonl", export * 2))["events_added"], 0, "a copy nothing")
        self.assertEqual(self.session("store", "s")["cost_usd"], 2)

    def test_a_sequence_that_begins_anew_is_no_repetition(self):
        def export(time, tokens):
            return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": time, "attributes": [
                {"key": "session.id", "value": {"stringValue": "s"}}, {"key": "event.sequence", "value": {"intValue": "0"}},
                {"key": "event.name", "value": {"stringValue": "api_request"}},
                {"key": "output_tokens", "value": {"intValue": tokens}}]}]}]}]}) + "\n"
        one, other = export("1777885200000000000", "5"), export("1777888800000000000", "6")
        self.take("store", self.file("a.jsonl", one), self.file("b.jsonl", one + other))
        self.assertEqual(self.session("store", "s")["output_tokens"], 11)

    def test_records_without_a_session_are_counted_and_left_out(self):
        export = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}, "attributes": []}]}]}]}
        report = self.take("store", self.file("log.json", json.dumps(export)))
        self.assertEqual((report["events_added"], report["without_session"], report["files"]), (0, 1, 1))

    # ---- Hooks ----

    def test_payloads_keep_their_bytes_and_their_place(self):
        report = self.take("store", HOOKS)
        self.assertEqual((report["files"], report["events_added"], report["sessions"]), (4, 14, 1))
        events = self.events("store")
        array = json.loads((HOOKS / "pre_tool_use.json").read_text())
        pre = [e for e in events if e["type"] == "PreToolUse"]
        self.assertEqual([e["payload"] for e in pre], array)
        text = (HOOKS / "pre_tool_use.json").read_text()
        for event in pre:
            self.assertEqual(json.loads(text[event["position"]:event["position"] + event["payload_bytes"]]), event["payload"])
        self.assertEqual(pre[1]["subagent_type"], "builder")
        self.assertTrue(pre[2]["is_sidechain"])
        stop = next(e for e in events if e["type"] == "Stop")
        self.assertNotIn("time", stop)
        self.assertEqual(self.session("store")["status"], "done")
        spawned = next(e for e in events if e["type"] == "SubagentStop")
        self.assertEqual((spawned["spawned_agent_id"], spawned.get("is_sidechain")), ("a77e10", None))
        ended = next(e for e in events if e["type"] == "SessionEnd")
        self.assertEqual(ended["subtype"], "prompt_input_exit")

    def test_what_was_imported_adds_nothing(self):
        self.take("store", HOOKS, *LOGS)
        again = self.take("store", HOOKS, *LOGS)
        self.assertEqual((again["unchanged"], again["events_added"]), (6, 0))
        checked = self.take("store", "--check", HOOKS, *LOGS)
        self.assertEqual(checked["events_added"], 0)
        shutil.copytree(HOOKS, self.folder / "copy")
        shutil.copytree(SAMPLES / "otel", self.folder / "copy" / "otel")
        (self.folder / "copy" / "otel" / "spans.jsonl").unlink()
        self.assertEqual(self.take("store", self.folder / "copy")["events_added"], 0)
        self.assertEqual(len(self.events("store")), 14 + 9)

    def test_equal_payloads_of_a_log_all_count(self):
        payload = {"session_id": "s", "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {}}
        log = self.file("log.json", json.dumps([payload] * 3))
        self.assertEqual(self.take("store", log)["events_added"], 3)
        log.write_text(json.dumps([payload] * 4))
        self.assertEqual(self.take("store", log)["events_added"], 1)
        other = dict(payload, hook_event_name="PostToolUse")
        self.assertEqual(self.take("store", self.file("other.json", json.dumps([other] * 3)))["events_added"], 3)
        self.assertEqual(self.session("store", "s")["tool_calls"], 4)

    def test_a_log_of_lines_is_read_on(self):
        payload = json.dumps({"session_id": "s", "hook_event_name": "Stop"}) + "\n"
        log = self.file("log.jsonl", payload * 3)
        self.take("store", log)
        log.write_text(payload * 5 + payload[:20])
        report = self.take("store", log)
        self.assertEqual((report["events_added"], report["duplicates"], report["unfinished"], report["bytes"]),
                         (2, 0, 1, 2 * len(payload)))
        log.write_text(payload * 6)
        self.assertEqual(self.take("store", log)["events_added"], 1)
        log.write_text(payload.replace("Stop", "Idle") + payload * 5)
        report = self.take("store", log)
        self.assertEqual((report["reread"], report["events_added"]), (1, 1), "a changed beginning: read again")

    def test_a_logged_payload_and_the_live_hook_are_one_event(self):
        payload = {"session_id": "s", "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_use_id": "t"}
        self.run_varve("store", "hook", "--strict", text=json.dumps(payload).encode())
        report = self.take("store", self.file("log.json", json.dumps([payload])))
        self.assertEqual((report["events_added"], report["duplicates"]), (0, 1))

    def test_a_time_without_an_offset_is_of_this_machine(self):
        payload = {"session_id": "s", "hook_event_name": "Stop", "logged_at": "2026-03-30T23:25:13.994076"}
        log = self.file("log.json", json.dumps(payload))
        self.take("utc", log, env={"TZ": "UTC"})
        self.assertEqual(self.events("utc", "s")[0]["time"], "2026-03-30T23:25:13.994076Z")
        self.take("east", log, env={"TZ": "XST-5"})
        self.assertEqual(self.events("east", "s")[0]["time"], "2026-03-30T18:25:13.994076Z")

    # ---- What is damaged ----

    def test_only_the_damaged_payload_is_lost(self):
        good = [json.dumps({"session_id": "s", "hook_event_name": "Stop", "n": n}) for n in range(4)]
        cases = {
            "cut line": "\n".join([good[0], good[1][:30], good[2], good[3]]) + "\n",
            "glued lines": good[0] + good[1] + "\n" + good[2] + "\n" + good[3][:25] + good[0].replace("0}", "9}") + "\n",
            "cut array": "[" + ", ".join(good[:3]) + ", " + good[3][:20],
            "cut in an array": "[" + good[0] + "," + good[1][:30] + ", " + good[2] + "," + good[3] + "]",
            "a stranger in an array": "[" + ",\n".join([good[0], '{"x": 1}', good[1], good[2]]) + "]",
            "no session": good[0] + "\n" + '{"hook_event_name": "Stop"}\n' + good[1] + "\n" + good[2] + "\n",
            "NULs": good[0] + "\n\0\0\0\n" + good[1] + "\n" + good[2] + "\n",
        }
        want = {"glued lines": 4}
        for number, (name, text) in enumerate(cases.items()):
            with self.subTest(name):
                report = self.take(f"store{number}", self.file(f"{number}.log", text))
                self.assertEqual(report["events_added"], want.get(name, 3), self.stderr)
                self.assertEqual((report["bad_lines"], len(self.stderr.splitlines())), (1, 1), self.stderr)
                self.assertIn(f"{number}.log:", self.stderr)
                for event in self.events(f"store{number}", "s"):
                    self.assertEqual(event["type"], "Stop")
                    json.dumps(event["payload"])

    def test_only_the_damaged_export_is_lost(self):
        text = LOGS[0].read_text().splitlines()
        damaged = "\n".join([text[0], text[1][:-40], *text[2:]]) + "\n"
        report = self.take("store", self.file("log.jsonl", damaged))
        self.assertEqual((report["events_added"], report["bad_lines"]), (6, 1))
        self.assertIn("log.jsonl:2: ", self.stderr)
        report = self.take("store", LOGS[0])
        self.assertEqual(report["events_added"], 1, "the sound file brings what was missing")

    def test_other_files_are_told_and_left_out(self):
        for name, text in {"empty.json": "", "other.json": '{"a": 1}', "words.txt": "words\n",
                           "metrics.json": '{"resourceMetrics": []}', "half.json": '{"session_id": "s"}'}.items():
            with self.subTest(name):
                report = self.take("store", self.file(name, text))
                self.assertEqual((report["events_added"], report["skipped"]), (0, int(name != "empty.json")))
                self.assertEqual(len(self.stderr.splitlines()), int(name != "empty.json"))
        below = self.folder / "below"
        below.mkdir()
        shutil.copy(self.folder / "other.json", below / "other.json")
        shutil.copy(HOOKS / "stop.json", below / "stop.json")
        report = self.take("store", below)
        self.assertEqual((report["files"], report["skipped"], report["events_added"]), (1, 0, 1))
        self.assertEqual(self.stderr, "")

    def test_a_pipe_is_as_good_as_a_file(self):
        for path in [*HOOKS.iterdir(), *LOGS]:
            self.take("store", "-", text=path.read_bytes())
        self.assertEqual(len(self.events("store")), 14 + 9)

    def test_large_payloads_and_late_names(self):
        payload = {"tool_input": {"content": "x" * 300000}, "session_id": "s", "hook_event_name": "PreToolUse"}
        report = self.take("store", self.file("log.json", json.dumps([payload] * 5, indent=1)))
        self.assertEqual(report["events_added"], 5)
        self.assertEqual(self.events("store", "s")[4]["payload"], payload)


if __name__ == "__main__":
    unittest.main()
