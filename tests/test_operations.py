#!/usr/bin/env python3
"""What the operations on sessions promise: set, fork, rewind, delete, messages, export, reconcile, gc.

Environment: VARVE the command.
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest
from decimal import Decimal

VARVE = os.environ["VARVE"]
OTHER_BOOT = "00000000-1111-2222-3333-444444444444"


class OperationsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.store = self.folder / "store"

    def run_varve(self, *args, expect=0, stdin=None):
        command = [VARVE, "--store", str(self.store), "--format", "jsonl", *map(str, args)]
        run = subprocess.run(command, capture_output=True, input=stdin, text=True)
        self.assertEqual(run.returncode, expect, f"varve {args}: {run.stderr}")
        if expect:
            self.assertEqual(run.stderr.count("varve: "), 1, f"varve {args}: not one line: {run.stderr}")
            self.assertEqual(run.stdout, "", f"varve {args}: prints although it fails")
        return run

    def rows(self, *args):
        out = self.run_varve(*args).stdout
        return [json.loads(line, parse_float=Decimal) for line in out.splitlines()]

    def row(self, *args):
        rows = self.rows(*args)
        self.assertEqual(len(rows), 1, args)
        return rows[0]

    def refused(self, words, *args, code=3):
        self.assertIn(words, self.run_varve(*args, expect=code).stderr)

    def append(self, *events):
        self.run_varve("append", "--strict", stdin="".join(json.dumps(event) + "\n" for event in events))

    def say(self, session, *texts, role="user", **more):
        for text in texts:
            self.append({"session_id": session, "event_type": "message", "role": role, "text": text, **more})

    def talk(self, session, *texts):
        """Messages, in turn of the user and of the assistant."""
        for number, text in enumerate(texts):
            self.say(session, text, role="assistant" if number % 2 else "user")

    def listed(self, *args):
        return {row["session_id"] for row in self.rows("sessions", *args)}

    def texts(self, session):
        return [row["text"] for row in self.rows("events", session) if "text" in row]

    def check_sound(self):
        self.run_varve("verify", "--deep")


class LifeTest(OperationsTest):
    def test_a_session_is_made_only_when_it_is_asked_for(self):
        self.run_varve("set", "a", "--create", "--title", "A")
        self.refused("no session", "set", "nobody", "--title", "B")
        self.refused("no session", "set", "nob", "--status", "busy")
        self.assertEqual(self.listed("--all"), {"a"})
        self.assertEqual(self.row("show", "a")["title"], "A")
        self.check_sound()

    def test_created_is_now_or_as_it_is_said(self):
        before = time.time()
        self.assertTrue(self.row("set", "now", "--create")["created"])
        self.assertTrue(self.row("set", "then", "--create", "--at", "2025-11-20T08:30:00Z")["created"])
        self.assertFalse(self.row("set", "then", "--create", "--title", "again")["created"])
        self.assertEqual(self.row("show", "then")["first_started_at"], "2025-11-20T08:30:00.000Z")
        self.assertEqual(self.row("show", "then", "--as", "mix-typescript")["createdAt"], "2025-11-20T08:30:00.000Z")
        year = self.row("show", "now")["first_started_at"][:4]
        self.assertIn(year, {time.strftime("%Y", time.gmtime(t)) for t in (before, time.time())})

    def test_what_is_not_named_stays(self):
        self.run_varve("set", "a", "--create", "--title", "T", "--goal", "G", "--mode", "autonomous", "--channel", "slack",
                       "--status", "active", "--cwd", "/w", "--transcript-path", "/t", "--github-repo", "o/r",
                       "--github-issue", 7, "--github-pr", 0, "--git-dir", "/g", "--worktree", "/wt", "--git-branch", "b",
                       "--additions", 3, "--deletions", 4, "--session-type", "subagent", "--subagent-type", "general-purpose",
                       "--parent", "p", "--parent-tool-call", "toolu_1")
        self.run_varve("set", "a", "--title", "T2", "--status", "paused-by-moon")
        self.run_varve("set", "a", "--mode", "dreaming")
        row = self.row("show", "a")
        want = {"title": "T2", "goal": "G", "mode": "dreaming", "channel": "slack", "status": "paused-by-moon", "cwd": "/w",
                "transcript_path": "/t", "github_repo": "o/r", "github_issue": 7, "github_pr": 0, "git_dir": "/g",
                "git_worktree": "/wt", "git_branch": "b", "git_additions": 3, "git_deletions": 4,
                "session_type": "subagent", "subagent_type": "general-purpose", "parent_session_id": "p",
                "parent_tool_call_id": "toolu_1"}
        for field, value in want.items():
            self.assertEqual(row[field], value, field)
        self.assertEqual(row["events"], 0)
        self.check_sound()

    def test_callbacks_come_from_a_file_or_as_they_stand(self):
        callbacks = [{"tool_name": "*", "type": "bash_script", "bash_command": "true"}]
        path = self.folder / "callbacks.json"
        path.write_text(json.dumps(callbacks))
        for said in (json.dumps(callbacks), path):
            self.run_varve("set", "a", "--create", "--callbacks", said)
            self.assertEqual(self.row("show", "a")["callbacks"], callbacks)
        for wrong in ('[1]', '[{"a":1}', '[{}] x'):
            self.refused("JSON array of objects", "set", "a", "--callbacks", wrong, code=2)
        self.refused("cannot read", "set", "a", "--callbacks", "/nowhere")
        self.assertEqual(self.row("show", "a")["callbacks"], callbacks)

    def test_labels_are_set_and_taken_away(self):
        self.run_varve("set", "a", "--create", "--label", "run=7", "--label", "task=a=b", "--label", "empty=")
        self.run_varve("set", "a", "--label", "run=8", "--unlabel", "empty")
        labels = self.row("show", "a")["labels"]
        if isinstance(labels, str):
            labels = dict(line.split("=", 1) for line in labels.split("\n"))
        self.assertEqual(labels, {"run": "8", "task": "a=b"})
        for wrong in (["--label", "run"], ["--label", "=7"], ["--unlabel", "a=b"], ["--unlabel", ""]):
            self.run_varve("set", "a", *wrong, expect=2)

    def test_wrong_words_change_nothing(self):
        self.run_varve("set", "a", "--create", "--title", "A")
        for wrong in (["--at", "yesterday"], ["--cost-usd", "1,5"], ["--cost-usd", "-1"], ["--cost-usd", "0.0000000001"],
                      ["--cost-usd", "9999999999999"], ["--turns", 2**31], ["--input-tokens", "-1"], ["--titel", "x"],
                      ["--process-start", "5"], []):
            self.run_varve("set", "a", *wrong, expect=2)
        self.assertEqual(self.row("show", "a")["last_seq"], 1)
        for command in ("set", "fork", "rewind", "delete", "export"):
            self.run_varve(command, expect=2)
            self.assertIn("exit codes", self.run_varve(command, "--help").stdout)

    def test_a_deleted_session_is_gone_and_its_id_is_not_used_again(self):
        self.talk("a", "one")
        self.run_varve("delete", "a")
        self.assertEqual(self.listed(), set())
        self.assertEqual(self.rows("messages"), [])
        for command in (["set", "a", "--title", "T"], ["set", "a", "--create"], ["fork", "a", "b"], ["delete", "a"],
                        ["rewind", "a", "--to", 1], ["export", "a"], ["messages", "--session", "a"]):
            self.refused("is deleted", *command)
        self.refused("no session", "delete", "nobody")
        self.check_sound()

    def test_children_lose_a_parent_that_is_deleted_and_stay(self):
        self.run_varve("set", "parent", "--create")
        self.run_varve("set", "child", "--create", "--parent", "parent", "--session-type", "subagent")
        self.run_varve("set", "orphan", "--create", "--parent", "unheard", "--session-type", "forked")
        self.assertEqual(self.row("show", "child")["parent_session_id"], "parent")
        self.assertEqual(self.row("show", "parent")["children"], 1)
        self.assertEqual(self.row("delete", "parent")["children"], 1)
        self.assertIsNone(self.row("show", "child")["parent_session_id"])
        self.assertEqual(self.row("show", "orphan")["parent_session_id"], "unheard")
        self.refused("by name only", "set", "unheard", "--title", "T")
        self.assertTrue(self.row("set", "unheard", "--create")["created"])
        self.assertEqual(self.row("show", "unheard")["children"], 1)
        self.check_sound()

    def test_a_hidden_session_is_left_out_of_lists(self):
        self.talk("a", "one")
        self.talk("b", "two")
        self.run_varve("set", "a", "--hidden")
        self.assertEqual(self.listed(), {"b"})
        self.assertEqual([row["session_id"] for row in self.rows("messages")], ["b"])
        self.assertEqual([row["session_id"] for row in self.rows("messages", "--all")], ["b", "a"])


class FiguresTest(OperationsTest):
    def test_absolute_figures_replace_each_other_and_created_stays(self):
        self.run_varve("set", "z", "--create", "--at", "2025-11-20T08:30:00Z")
        figures = [(100, 50, "0.1"), (300, 70, "0.333333333"), (250, 60, "0.2")]
        for tokens, output, cost in figures:
            self.run_varve("set", "z", "--absolute", "--input-tokens", tokens, "--output-tokens", output,
                           "--reasoning-tokens", 5, "--cost-usd", cost, "--turns", tokens // 10)
        row = self.row("show", "z")
        self.assertEqual((row["input_tokens"], row["output_tokens"], row["reasoning_tokens"], row["turns"]), (250, 60, 5, 25))
        self.assertEqual(row["total_tokens"], 310)
        self.assertEqual(row["cost_usd"], Decimal("0.2"))
        self.assertEqual(row["first_started_at"], "2025-11-20T08:30:00.000Z")
        self.assertGreater(row["last_activity_at"], row["first_started_at"])
        self.check_sound()

    def test_figures_of_an_earlier_time_do_not_win(self):
        self.run_varve("set", "z", "--create", "--at", "2025-11-20T08:30:00Z", "--turns", 9)
        self.run_varve("set", "z", "--at", "2025-11-19", "--turns", 5)
        self.assertEqual(self.row("show", "z")["turns"], 9)
        self.assertEqual(self.row("show", "z")["first_started_at"], "2025-11-19T00:00:00.000Z")

    def test_a_cost_is_exact(self):
        for cost in ("0.000000001", "1.100000000000", "123456789.123456789", "0", ".5", "7."):
            self.run_varve("set", "z", "--create", "--cost-usd", cost)
            self.assertEqual(self.row("show", "z")["cost_usd"], Decimal(cost), cost)
        self.run_varve("set", "z", "--cost-usd", "0.017300001")
        self.assertEqual(self.row("show", "z", "--as", "zeph")["cost_cents"], Decimal("1.7300001"))
        self.assertEqual(self.row("show", "z", "--as", "mi6")["cost_usd"], Decimal("0.017300001"))


class BranchTest(OperationsTest):
    def test_a_fork_at_a_message_shares_what_was_before(self):
        self.talk("p", "one", "two", "three", "four")
        self.run_varve("set", "p", "--title", "P", "--cwd", "/w")
        self.append({"session_id": "p", "event_type": "PreToolUse", "tool_name": "Bash"})
        fork = self.row("fork", "p", "c", "--at-message", 3)
        self.assertEqual((fork["parent_session_id"], fork["at_seq"]), ("p", 3))
        self.talk("c", "other")
        self.assertEqual(self.texts("c"), ["one", "two", "three", "other"])
        self.assertEqual(self.texts("p"), ["one", "two", "three", "four"])
        row = self.row("show", "c")
        self.assertEqual((row["parent_session_id"], row["session_type"], row["title"], row["cwd"], row["events"]),
                         ("p", "forked", "P", "/w", 1))
        self.run_varve("fork", "p", "whole", "--title", "W")
        self.assertEqual(self.texts("whole"), ["one", "two", "three", "four"])
        self.assertEqual(self.row("show", "whole")["title"], "W")
        self.run_varve("fork", "p", "none", "--at-message", 0)
        self.assertEqual(self.texts("none"), [])
        self.run_varve("fork", "c", "grandchild", "--at", 2)
        self.assertEqual(self.texts("grandchild"), ["one", "two"])
        self.assertLessEqual({"p", "c", "whole", "none", "grandchild"}, self.listed())
        self.check_sound()

    def test_a_fork_that_cannot_be_is_refused(self):
        self.talk("p", "one", "two")
        self.run_varve("fork", "p", "c")
        self.refused("exists already", "fork", "p", "c")
        self.refused("no message 3", "fork", "p", "d", "--at-message", 3)
        self.refused("no event with seq 99", "fork", "p", "d", "--at", 99)
        self.refused("no session", "fork", "nobody", "d")
        self.run_varve("fork", "p", "d", "--at", 1, "--at-message", 1, expect=2)
        self.run_varve("fork", "p", expect=2)

    def test_a_child_is_readable_when_its_parent_is_deleted(self):
        self.talk("p", "one", "two", "three")
        self.run_varve("fork", "p", "c", "--at-message", 2)
        self.talk("c", "other")
        self.run_varve("delete", "p")
        self.assertEqual(self.texts("c"), ["one", "two", "other"])
        self.assertEqual([m["text"] for m in self.row("export", "c")["messages"]], ["one", "two", "other"])
        self.assertEqual([row["text"] for row in self.rows("messages")], ["other", "one"])
        self.assertIsNone(self.row("show", "c")["parent_session_id"])
        self.check_sound()

    def test_a_rewind_hides_from_every_view(self):
        self.talk("s", "one", "two", "three", "four", "five")
        self.append({"session_id": "s", "event_type": "ApiRequest", "tokens_input": 10, "cost_usd": 0.25})
        done = self.row("rewind", "s", "--to-message", 2)
        self.assertEqual((done["to_seq"], done["hidden_events"], done["events"]), (2, 4, 2))
        self.assertEqual(self.texts("s"), ["one", "two"])
        self.assertEqual([row["seq"] for row in self.rows("events", "s")], [1, 2])
        self.assertEqual([row["text"] for row in self.rows("messages")], ["one"])
        self.assertEqual([row["text"] for row in self.rows("messages", "--session", "s")], ["one"])
        export = self.row("export", "s")
        self.assertEqual([m["text"] for m in export["messages"]], ["one", "two"])
        self.assertEqual((export["userMessageCount"], export["assistantMessageCount"]), (1, 1))
        row = self.row("sessions")
        self.assertEqual((row["user_messages"], row["events"], row["last_user_message"]), (1, 2, "one"))
        self.assertEqual(row["cost_usd"], Decimal("0.25"), "what was paid stays")
        self.talk("s", "again")
        self.assertEqual(self.texts("s"), ["one", "two", "again"])
        self.refused("no event with seq 4", "rewind", "s", "--to", 4)
        self.run_varve("rewind", "s", "--to-message", 0)
        self.assertEqual(self.texts("s"), [])
        self.talk("s", "anew")
        self.run_varve("rewind", "s", "--to-message", 0)
        self.assertEqual(self.texts("s"), [])
        self.check_sound()

    def test_a_fork_can_be_rewound_into_what_it_shares(self):
        self.talk("p", "one", "two", "three")
        self.run_varve("fork", "p", "c")
        self.talk("c", "four")
        self.run_varve("rewind", "c", "--to-message", 1)
        self.talk("c", "five")
        self.assertEqual(self.texts("c"), ["one", "five"])
        self.assertEqual(self.texts("p"), ["one", "two", "three"])
        self.check_sound()


    def test_a_rewound_fork_does_not_take_its_parents_life_for_its_own(self):
        def live(session, kind, minute):
            self.append({"session_id": session, "event_type": kind, "source": "hook",
                         "timestamp": f"2026-01-01T00:{minute:02}:00Z"})
        live("p", "SessionStart", 1)
        live("p", "SessionEnd", 2)
        live("p", "UserPromptSubmit", 3)
        self.run_varve("fork", "p", "c")
        self.run_varve("rewind", "c", "--to", 2)
        live("c", "SessionEnd", 9)
        live("c", "SessionEnd", 8)
        row = self.row("show", "c")
        self.assertEqual((row["first_ended_at"], row["revivals"]), ("2026-01-01T00:08:00.000Z", 0))
        self.check_sound()


class MessagesTest(OperationsTest):
    def test_history_is_newest_first_over_all_sessions(self):
        want = []
        for number in range(60):
            stamp = f"2026-01-01T00:{number * 7 % 60:02}:00Z"
            self.say(f"s{number % 5}", f"m{number}", timestamp=stamp)
            want.append((stamp, f"m{number}", f"s{number % 5}"))
        self.say("s0", "an answer", role="assistant", timestamp="2026-01-01T00:30:30Z")
        want.sort(reverse=True)
        got = [(row["time"].replace(".000", ""), row["text"], row["session_id"]) for row in self.rows("messages")]
        self.assertEqual(got, want)
        for limit, offset in ((10, 0), (7, 13), (1, 59), (100, 55), (5, 60), (0, 3)):
            rows = self.rows("messages", "--limit", limit, "--offset", offset)
            end = offset + limit if limit else None
            self.assertEqual([row["text"] for row in rows], [text for _, text, _ in want[offset:end]], (limit, offset))
        of_one = [row["text"] for row in self.rows("messages", "--session", "s3")]
        self.assertEqual(of_one, [text for _, text, session in want if session == "s3"])

    def test_what_a_fork_shares_stands_there_once(self):
        self.talk("p", "one", "two", "three")
        for child in ("c", "d"):
            self.run_varve("fork", "p", child)
            self.talk(child, f"of {child}")
        rows = [(row["session_id"], row["text"]) for row in self.rows("messages")]
        self.assertEqual(rows, [("d", "of d"), ("c", "of c"), ("p", "three"), ("p", "one")])
        shared = [row["text"] for row in self.rows("messages", "--session", "c")]
        self.assertEqual(shared, ["of c", "three", "one"])

    def test_a_prompt_of_hook_and_transcript_is_one_message(self):
        self.append({"session_id": "s", "event_type": "UserPromptSubmit", "source": "hook", "text": "hello"})
        self.assertEqual([row["text"] for row in self.rows("messages")], ["hello"])
        self.append({"session_id": "s", "event_type": "user", "source": "transcript", "role": "user",
                     "is_user_message": True, "text": "hello"})
        self.assertEqual([row["text"] for row in self.rows("messages")], ["hello"])
        self.assertEqual(len(self.row("export", "s")["messages"]), 1)

    def test_an_export_has_all_messages(self):
        self.run_varve("set", "s", "--create", "--title", "T", "--at", "2026-01-01T00:00:00Z")
        self.append(
            {"session_id": "s", "event_type": "message", "role": "user", "text": "hi", "native_id": "u1",
             "timestamp": "2026-01-01T00:00:01Z", "payload": {"content": "hi"}},
            {"session_id": "s", "event_type": "PreToolUse", "tool_name": "Bash"},
            {"session_id": "s", "event_type": "message", "role": "assistant", "finish_reason": "tool_use", "model": "m",
             "timestamp": "2026-01-01T00:00:02.5Z", "tool_calls": 2,
             "payload": {"content": [{"type": "text", "text": "so"}, {"type": "tool_use", "id": "t1", "name": "Bash",
                                     "input": {"type": "x", "id": "no"}}, {"type": "tool_use", "id": "t2", "name": "Read"}]}},
            {"session_id": "s", "event_type": "message", "role": "tool", "text": "done"},
            {"session_id": "s", "event_type": "message", "role": "user", "text": "thanks \"\u00e9\" \n"})
        export = self.row("export", "s")
        self.assertEqual((export["id"], export["title"], export["userMessageCount"]), ("s", "T", 2))
        messages = export["messages"]
        self.assertEqual([m["role"] for m in messages], ["user", "assistant", "tool", "user"])
        self.assertEqual([m.get("number") for m in messages], [1, 2, None, 3])
        first, answer = messages[0], messages[1]
        self.assertEqual((first["id"], first["createdAt"], first["content"]), ("u1", "2026-01-01T00:00:01.000Z", {"content": "hi"}))
        self.assertNotIn("toolCalls", first)
        self.assertEqual((answer["finishReason"], answer["model"], answer["toolCallCount"]), ("tool_use", "m", 2))
        self.assertEqual(answer["toolCalls"], [{"id": "t1", "name": "Bash"}, {"id": "t2", "name": "Read"}])
        self.assertEqual(messages[3]["text"], "thanks \"\u00e9\" \n")
        self.refused("no session", "export", "nobody")


class ProcessTest(OperationsTest):
    def process(self):
        process = subprocess.Popen(["sleep", "600"])
        self.addCleanup(lambda: (process.kill(), process.wait()))
        return process

    def status(self, session):
        return self.row("show", session)["status"]

    def test_a_running_process_is_never_touched(self):
        process = self.process()
        for session, status in (("live", "active"), ("busy", "busy")):
            self.run_varve("set", session, "--create", "--status", status, "--pid", process.pid)
        self.assertEqual(self.rows("reconcile"), [])
        told = self.rows("reconcile", "--all", "--dry-run")
        self.assertEqual({(row["session_id"], row["process"]) for row in told}, {("live", "running"), ("busy", "running")})
        self.assertEqual((self.status("live"), self.status("busy")), ("active", "busy"))
        process.kill()
        process.wait()
        before = self.row("stats")["tail_lsn"]
        told = self.rows("reconcile", "--dry-run")
        self.assertEqual({row["session_id"] for row in told}, {"live", "busy"})
        self.assertEqual(self.status("live"), "active")
        self.assertEqual(self.row("stats")["tail_lsn"], before)
        activity = self.row("show", "live")["last_activity_at"]
        told = {row["session_id"]: row for row in self.rows("reconcile")}
        self.assertEqual((told["live"]["status_before"], told["live"]["status"], told["live"]["process"]),
                         ("active", "unknown", "gone"))
        self.assertEqual((self.status("live"), self.status("busy")), ("unknown", "unknown"))
        self.assertEqual(self.row("show", "live")["last_activity_at"], activity)
        self.assertEqual(self.row("show", "live", "--as", "zeph")["status"], "unknown")
        self.assertEqual(self.rows("reconcile"), [], "once is enough")
        self.check_sound()

    def test_a_pid_that_was_given_to_another_process_is_dead(self):
        process = self.process()
        self.run_varve("set", "old", "--create", "--status", "active", "--pid", process.pid, "--process-start", 1600000000)
        self.assertEqual([row["session_id"] for row in self.rows("reconcile")], ["old"])
        self.assertEqual(self.status("old"), "unknown")

    def test_a_process_of_an_earlier_boot_is_dead_but_not_another_machines(self):
        process = self.process()
        for more in ([], ["--machine", "elsewhere"]):
            self.run_varve("set", "s", "--create", "--status", "active", "--pid", process.pid, "--boot-id", OTHER_BOOT, *more)
        told = {(row["machine_id"] == "elsewhere", row["process"]) for row in self.rows("reconcile", "--all")}
        self.assertEqual(told, {(True, "elsewhere"), (False, "gone")})
        self.assertEqual(self.row("show", "s", "--machine", "elsewhere")["status"], "active")
        self.assertEqual(self.status("s"), "unknown")

    def test_what_is_over_stays_over(self):
        process = self.process()
        process.kill()
        process.wait()
        for status in ("done", "completed", "failed", "cancelled", "archived"):
            self.run_varve("set", status, "--create", "--status", status, "--pid", process.pid, "--process-start", 1)
        self.run_varve("set", "no-pid", "--create", "--status", "active")
        self.append({"session_id": "ended", "event_type": "SessionEnd", "source": "hook", "pid": process.pid})
        self.assertEqual(self.rows("reconcile", "--all"), [])
        for status in ("done", "completed", "failed", "cancelled", "archived"):
            self.assertEqual(self.status(status), status)

    def test_an_event_after_a_reconciliation_wins(self):
        process = self.process()
        process.kill()
        process.wait()
        self.run_varve("set", "s", "--create", "--status", "active", "--pid", process.pid, "--process-start", 1)
        self.assertEqual(len(self.rows("reconcile")), 1)
        self.append({"session_id": "s", "event_type": "UserPromptSubmit", "source": "hook", "text": "back"})
        self.assertEqual(self.status("s"), "busy")


class RetentionTest(OperationsTest):
    def test_a_dry_run_counts_what_is_older(self):
        now = time.time()
        for session, age_hours, events in (("new", 1, 1), ("day", 30, 2), ("old", 24 * 100, 4)):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - age_hours * 3600))
            for number in range(events):
                self.say(session, f"m{number}", timestamp=stamp)
        self.run_varve("set", "child", "--create", "--parent", "stub")
        for age, sessions, events in (("90d", 1, 4), ("24h", 2, 6), ("1w", 1, 4), ("30m", 3, 7), ("99999999999999w", 0, 0)):
            row = self.row("gc", "--older-than", age, "--dry-run")
            self.assertEqual((row["sessions"], row["events"]), (sessions, events), age)
        for wrong in (["--older-than", "90"], ["--older-than", "d"], ["--older-than", "1.5d"], ["--older-than", "9y"], []):
            self.run_varve("gc", "--dry-run", *wrong, expect=2)
        usage = self.rows("usage", "daily")
        dropped = self.row("gc", "--older-than", "90d")
        self.assertEqual((dropped["sessions"], dropped["events"]), (1, 4))
        self.assertEqual(self.row("gc", "--older-than", "90d")["sessions"], 0)
        self.assertEqual(sorted(row["session_id"] for row in self.rows("sessions")), ["day", "new"])
        self.assertEqual(self.rows("usage", "daily"), usage)
        kept = self.row("gc", "--older-than", "24h", "--keep-sessions")
        self.assertEqual((kept["sessions"], kept["events"]), (1, 2))
        self.assertIn("day", [row["session_id"] for row in self.rows("sessions")])
        self.assertEqual(self.rows("events", "day"), [])
        self.assertEqual(len(self.rows("events", "new")), 1)


if __name__ == "__main__":
    unittest.main()
