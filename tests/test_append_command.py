#!/usr/bin/env python3
"""What `varve append` promises: every field of docs/EVENTS.md arrives, nothing of an object is lost, a
retry adds nothing, and a bad line is one clear line on stderr and nothing in the store.

Environment: VARVE the command.
"""
import fcntl
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

VARVE = os.environ["VARVE"]
ROOT = pathlib.Path(__file__).resolve().parent.parent
E = {"session_id": "s", "event_type": "Note"}


class AppendTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.store = self.folder / "store"

    def append(self, *objects, args=(), code=0):
        text = b"".join((o if isinstance(o, bytes) else json.dumps(o).encode()) + b"\n" for o in objects)
        run = subprocess.run([VARVE, "--store", str(self.store), "--format", "jsonl", "append", *args], input=text,
                             capture_output=True)
        self.stderr = run.stderr.decode()
        self.assertEqual(run.returncode, code, self.stderr)
        return json.loads(run.stdout) if run.stdout else None

    def rows(self, *args):
        run = subprocess.run([VARVE, "--store", str(self.store), "--format", "jsonl", *args], capture_output=True)
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        return [json.loads(line) for line in run.stdout.splitlines()]

    def event(self, **fields):
        self.append({**E, **fields})
        return self.rows("events", "s")[-1]

    def show(self, session="s"):
        shown = self.rows("show", session)[0]
        if isinstance(shown["labels"], str):  # lines
            shown["labels"] = dict(line.split("=", 1) for line in shown["labels"].splitlines())
        return shown

    # ---- Fields ----

    # the name in the object, what it is given, and where and how it comes back
    EVENT_FIELDS = [
        ("timestamp", "2026-02-03T04:05:06.000000007+01:00", "time", "2026-02-03T03:05:06.000000007Z"),
        ("source", "otel", "source", "otel"), ("role", "assistant", "role", "assistant"), ("text", "words", "text", "words"),
        ("content", "words", "text", "words"), ("subtype", "x", "subtype", "x"), ("tool_name", "Bash", "tool_name", "Bash"),
        ("tool_use_id", "t", "tool_use_id", "t"), ("tool_calls", 3, "tool_calls", 3), ("tool_calls", [{}, 1], "tool_calls", 2),
        ("spawned_agent_id", "a", "spawned_agent_id", "a"), ("agent_id", "a", "agent_id", "a"),
        ("subagent_type", "b", "subagent_type", "b"), ("is_sidechain", True, "is_sidechain", True),
        ("is_sidechain", False, "is_sidechain", False), ("turn", 7, "turn", 7), ("duration_ms", 2**40, "duration_ms", 2**40),
        ("finish_reason", "stop", "finish_reason", "stop"), ("error", "e", "error", "e"), ("native_id", "n", "native_id", "n"),
        ("native_parent_id", "n", "native_parent", "n"), ("is_user_message", True, "is_user_message", True),
        ("is_assistant_message", True, "is_assistant_message", True), ("is_api_error", True, "is_api_error", True),
        ("is_compaction", True, "is_compaction", True), ("is_turn", True, "is_turn", True),
        ("payload", {"p": [1]}, "payload", {"p": [1]}), ("metadata", {"m": 1}, "metadata", {"m": 1}),
        ("tokens_input", 1, "input_tokens", 1), ("tokens_output", 0, "output_tokens", 0),
        ("tokens_cache_read", 2**53 + 1, "cache_read_tokens", 2**53 + 1), ("tokens_cache_write", 4, "cache_write_5m_tokens", 4),
        ("tokens_cache_write_1h", 5, "cache_write_1h_tokens", 5), ("tokens_reasoning", 6, "reasoning_tokens", 6),
        ("reasoning_tokens", 6, "reasoning_tokens", 6), ("cost_usd", 0.25, "cost_usd", 0.25),
        ("message_id", "m", "message_id", "m"), ("request_id", "r", "request_id", "r"), ("pid", 99, "pid", 99),
        ("process_start_time", 1700000000, "process_started_at", "2023-11-14T22:13:20.000Z"), ("boot_id", "b", "boot_id", "b"),
        ("pid_namespace", "n", "pid_namespace", "n"), ("framework", "f", "framework", "f"), ("version", "1.2", "version", "1.2"),
        ("model", "m", "model", "m"), ("permission_mode", "plan", "permission_mode", "plan"),
        ("transcript_path", "/t", "transcript_path", "/t"), ("cwd", "/c", "cwd", "/c"), ("project", "p", "project", "p"),
        ("git_branch", "b", "git_branch", "b"), ("local_git_dir", "/g", "git_dir", "/g"),
        ("git_worktree_path", "/w", "git_worktree", "/w"), ("git_additions", 1, "git_additions", 1),
        ("git_deletions", 2, "git_deletions", 2), ("github_repo", "o/r", "github_repo", "o/r"),
        ("github_issue", 3, "github_issue", 3), ("github_pr", 4, "github_pr", 4), ("title", "T", "title", "T"),
        ("status", "cancelled", "status", "cancelled"), ("status", "Dreaming", "status", "Dreaming"),
    ]

    def test_every_field_of_an_event_arrives(self):
        for name, value, shown, want in self.EVENT_FIELDS:
            with self.subTest(name, value=value):
                event = self.event(**{name: value})
                self.assertEqual(event[shown], want)
                self.assertNotIn(shown, self.event() if shown not in ("source", "payload", "time") else {}, "absent is absent")

    SESSION_FIELDS = [
        ("goal", "g", "goal", "g"), ("kind", "Autonomous", "mode", "autonomous"), ("mode", "acp", "mode", "acp"),
        ("channel", "slack", "channel", "slack"), ("channel", "IRC", "channel", "IRC"),
        ("session_type", "forked", "session_type", "forked"), ("callbacks", [{"tool_name": "*"}], "callbacks", [{"tool_name": "*"}]),
        ("parent_session_id", "p", "parent_session_id", "p"), ("parent_tool_call_id", "c", "parent_tool_call_id", "c"),
        ("labels", {"run": "7", "task": "a b"}, "labels", {"run": "7", "task": "a b"}), ("status", "failed", "status", "failed"),
        ("title", "T", "title", "T"), ("subagent_type", "builder", "subagent_type", "builder"), ("cwd", "/c", "cwd", "/c"),
        ("github_pr", 4, "github_pr", 4), ("model", "m", "model", "m"), ("hidden", True, "is_hidden", True),
    ]

    def test_what_a_session_carries_is_set_by_events_and_by_set(self):
        for number, (name, value, shown, want) in enumerate(self.SESSION_FIELDS):
            for form in ("set", "event"):
                if form == "event" and name in ("hidden", "subagent_type"):
                    continue
                with self.subTest(name, value=value, form=form):
                    session = f"{form}{number}"
                    self.append({"session_id": session, "set": {name: value}} if form == "set"
                                else {**E, "session_id": session, name: value})
                    self.assertEqual(self.show(session).get(shown), want)

    def test_labels_are_merged_and_removed(self):
        self.append({"session_id": "s", "set": {"labels": {"a": "1", "b": "2"}}}, {**E, "labels": {"a": None, "c": "3=\u00fc", "d": ""}})
        self.assertEqual(self.show()["labels"], {"b": "2", "c": "3=\u00fc", "d": ""})

    def test_the_documentation_has_the_fields_that_the_code_has(self):
        table = (ROOT / "tools" / "append_fields.c").read_text()
        code = set(re.findall(r'^    \{"(\w+)", AS_', table, re.M))
        told = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "EVENTS.md").read_text(), re.M))
        self.assertGreater(len(code), 70)
        self.assertEqual(told, code)
        tried = {row[0] for row in self.EVENT_FIELDS + self.SESSION_FIELDS}
        self.assertEqual(code - tried, {"session_id", "machine_id", "event_type", "uid", "set", "charge", "parent_machine_id"})

    def test_other_machines_and_other_parents(self):
        self.append({**E, "machine_id": "far", "parent_session_id": "p", "parent_machine_id": "farther"})
        event = self.rows("events", "s")[0]
        self.assertEqual(event["machine_id"], "far")
        self.assertEqual(self.show()["parent_session_id"], "p")

    def test_null_is_as_good_as_absent(self):
        event = self.event(**{name: None for name, _, _, _ in self.EVENT_FIELDS if name != "payload"}, uid=None, charge=None)
        for field in ("role", "text", "tool_calls", "input_tokens", "cost_usd", "pid", "uid", "charge", "metadata"):
            self.assertNotIn(field, event)
        self.assertEqual(event["source"], "api")

    def test_messages_count_by_their_role(self):
        for role, user, assistant in [("user", 1, 0), ("Assistant", 0, 1), ("tool", 0, 0), ("system", 0, 0)]:
            self.append({**E, "session_id": role, "role": role, "text": "t"})
            session = self.show(role)
            self.assertEqual((session["user_messages"], session["assistant_messages"]), (user, assistant))
        self.append({**E, "session_id": "no", "role": "user", "is_user_message": False})
        self.assertEqual(self.show("no")["user_messages"], 0)

    def test_a_living_process_of_here_is_known_again(self):
        mine = self.event(pid=os.getpid())
        self.assertEqual(mine["pid_namespace"], os.readlink("/proc/self/ns/pid"))
        self.assertIn("process_started_at", mine)
        for other in ({"pid": os.getpid(), "process_start_time": 5}, {"pid": os.getpid(), "machine_id": "far"},
                      {"pid": os.getpid(), "timestamp": "2020-01-01T00:00:00Z"}, {"pid": 2**31 - 1}):
            self.assertNotIn("boot_id", self.event(**other))

    # ---- Nothing is lost ----

    def test_the_payload_is_the_objects_own_bytes(self):
        line = b' {"b" : [1,  2.50], "session_id":"s", "event_type":"X", "unknown": "\\u00fc", "id": 7} '
        self.append(line)
        event = self.rows("events", "s")[0]
        self.assertEqual(event["payload_bytes"], len(line.strip()))
        self.assertEqual(event["payload"], json.loads(line))
        self.assertNotIn("metadata", event)

    def test_a_payload_of_its_own_and_what_else_there_is(self):
        for fields, payload, metadata in [
            ({"payload": {"p": 1}}, {"p": 1}, None),
            ({"payload": "text, not JSON"}, "text, not JSON", None),
            ({"payload": '{"json": "in a string"}'}, {"json": "in a string"}, None),
            ({"payload": 1.50}, 1.5, None), ({"payload": [], "metadata": "words"}, [], "words"),
            ({"payload": {}, "id": 7, "x": {"y": [1]}}, {}, {"_fields": {"id": 7, "x": {"y": [1]}}}),
            ({"payload": {}, "metadata": {"m": 1}, "x": 2}, {}, {"m": 1, "_fields": {"x": 2}}),
            ({"payload": {}, "metadata": {}, "x": "}"}, {}, {"_fields": {"x": "}"}}),
            ({"payload": {}, "metadata": "words", "x": 2}, {}, {"_metadata": "words", "_fields": {"x": 2}}),
            ({"payload": {}, "metadata": None, "x": 2}, {}, {"_fields": {"x": 2}}),
            ({"payload": {}, "role": "critic"}, {}, {"_fields": {"role": "critic"}}),
            ({"payload": {}, "tool_calls": [{"a": 1}]}, {}, {"_fields": {"tool_calls": [{"a": 1}]}}),
            ({"payload": {}, "content": [{"type": "text"}]}, {}, {"_fields": {"content": [{"type": "text"}]}}),
            ({"payload": {}, "text": "x" * 20000}, {}, {"_fields": {"text": "x" * 20000}}),
        ]:
            with self.subTest(str(fields)[:60]):
                event = self.event(**fields)
                self.assertEqual(event["payload"], payload)
                self.assertEqual(event.get("metadata"), metadata)

    def test_texts_with_escapes_stay_apart(self):
        want = {"cwd": "/\u00fc\n", "model": "\u00f6\"x", "text": "\U0001f300" * 9000, "error": "\t"}
        event = self.event(**want)
        self.assertEqual({name: event[name] for name in want}, {**want, "text": want["text"][:4096]})

    def test_large_and_many(self):
        self.append({**E, "blob": "x" * (5 << 20)}, *[{**E, "n": n} for n in range(5000)])
        self.assertEqual([e["payload"].get("n") for e in self.rows("events", "s")], [None, *range(5000)])

    # ---- Money and charges ----

    def test_money_is_exact(self):
        for text, nanos in [("0.1", 10**8), ("3e-9", 3), ("0.034217080000000004", 34217080), ("1234567890.123456789", 1234567890123456789),
                            ("4.9999999999", 5 * 10**9), ("0.0000000005", 1), ("0.00000000049", 0), ("9223372036.854775806", 2**63 - 2),
                            ("0", 0), ("1E3", 10**12)]:
            with self.subTest(text):
                session = f"m{text}"
                self.append(b'{"session_id": "%s", "event_type": "X", "cost_usd": %s}' % (session.encode(), text.encode()))
                run = subprocess.run([VARVE, "--store", str(self.store), "--format", "jsonl", "events", session], capture_output=True)
                whole, _, part = re.search(rb'"cost_usd":([0-9.]+)', run.stdout)[1].decode().partition(".")
                self.assertEqual(int(whole) * 10**9 + int(part.ljust(9, "0")), nanos)
        for _ in range(3):
            self.append({**E, "cost_usd": 0.1})
        self.assertEqual(self.show()["cost_usd"], 0.3)

    def test_a_message_is_paid_once(self):
        usage = {"tokens_output": 5, "cost_usd": 1}
        for more, times in [({"message_id": "m"}, 1), ({"charge": "m"}, 1), ({"message_id": "m", "charge": False}, 2), ({}, 2),
                            ({"message_id": "m", "source": "otel"}, 2)]:
            with self.subTest(more):
                shutil.rmtree(self.store, ignore_errors=True)
                self.append({**E, **usage, **more}, {**E, **usage, **more})
                self.assertEqual((self.show()["output_tokens"], self.show()["cost_usd"]), (5 * times, times))

    # ---- Once ----

    def test_a_retry_adds_nothing(self):
        first = self.append({**E, "uid": "u"}, {**E, "uid": "u2"}, {**E, "uid": "u", "session_id": "other"}, E)
        again = self.append({**E, "uid": "u"}, {**E, "uid": "u2"}, E, {**E, "uid": "u3"})
        self.assertEqual([(r["events_added"], r["duplicates"]) for r in (first, again)], [(4, 0), (2, 2)])

    def test_hook_events_are_known_by_their_tool_use(self):
        use = {"session_id": "s", "event_type": "PreToolUse", "source": "hook", "tool_use_id": "t"}
        report = self.append(use, use, {**use, "event_type": "PostToolUse"}, {**use, "source": "api"}, {**use, "uid": "u"})
        self.assertEqual((report["events_added"], report["duplicates"]), (4, 1))
        run = subprocess.run([VARVE, "--store", str(self.store), "hook", "--strict"], capture_output=True,
                             input=b'{"session_id": "s", "hook_event_name": "PreToolUse", "tool_use_id": "t"}')
        self.assertEqual(run.returncode, 0)
        self.assertEqual(len(self.rows("events", "s")), 4)

    # ---- What is wrong ----

    BAD = [
        (b"words", "not one JSON object"), (b'{"session_id": "s"', "not one JSON object"), (b"[]", "not one JSON object"),
        (b'{"session_id": "s", "event_type": "X"} {}', "not one JSON object"),
        (b'{"session_id": "s", "event_type": "\xff"}', "not UTF-8"), ({"event_type": "X"}, "session_id: missing"),
        ({"session_id": "", "event_type": "X"}, "session_id: empty"), ({"session_id": 1, "event_type": "X"}, "session_id: wants a string"),
        ({"session_id": "a\0b", "event_type": "X"}, "session_id: holds a NUL"),
        ({"session_id": "s" * 1025, "event_type": "X"}, "session_id: longer than 1024 bytes"),
        ({**E, "machine_id": "m" * 129}, "machine_id: longer than 128 bytes"), ({**E, "event_type": "X" * 257}, "event_type: longer than 256 bytes"),
        ({"session_id": "s"}, "event_type: missing"), ({**E, "event_type": ""}, "event_type: empty"), ({**E, "uid": ""}, "uid: empty"),
        ({**E, "timestamp": "yesterday"}, "timestamp: wants an ISO 8601 time"), ({**E, "timestamp": "2026-01-01T00:00:00"}, "timestamp: wants"),
        ({**E, "timestamp": 1700000000}, "timestamp: wants"), ({**E, "timestamp": "2026-02-30T00:00:00Z"}, "timestamp: wants"),
        ({**E, "tokens_input": "1"}, "tokens_input: wants a whole number"), ({**E, "tokens_input": 1.5}, "tokens_input: wants a whole number"),
        ({**E, "tokens_input": -1}, "tokens_input: below zero"), ({**E, "tokens_input": 2**63}, "tokens_input: out of range"),
        ({**E, "pid": 2**31}, "pid: out of range"), ({**E, "turn": True}, "turn: wants a whole number"),
        ({**E, "cost_usd": "1"}, "cost_usd: wants a number of dollars"), ({**E, "cost_usd": -0.1}, "cost_usd: below zero"),
        ({**E, "cost_usd": 1e10}, "cost_usd: out of range"), ({**E, "is_sidechain": 1}, "is_sidechain: wants true or false"),
        ({**E, "cwd": ["/c"]}, "cwd: wants a string"), ({**E, "cwd": "x" * (1 << 20) + "x"}, "cwd: longer than 1 MiB"),
        ({**E, "source": "rumour"}, "source: wants api, hook, otel or transcript"), ({**E, "role": 1}, "role: wants a string"),
        ({**E, "labels": ["a"]}, "labels: wants an object of strings"), ({**E, "labels": {"a": 1}}, "labels: wants an object of strings"),
        ({**E, "labels": {"a=b": "1"}}, "labels: a key is one line"), ({**E, "labels": {"": "1"}}, "labels: a key is one line"),
        ({**E, "labels": {"a": "1\n2"}}, "labels: a value is one line"), ({**E, "labels": {"a": "x" * (1 << 20)}}, "labels: longer than 1 MiB"),
        ({**E, "callbacks": {}}, "callbacks: wants an array"), ({**E, "tool_calls": "x"}, "tool_calls: wants a whole number"),
        ({"session_id": "s", "set": 1}, "set: wants an object"), ({"session_id": "s", "set": {"titel": "T"}}, "set.titel: unknown"),
        ({"session_id": "s", "set": {"tool_name": "T"}}, "set.tool_name: no attribute of a session"),
        ({"session_id": "s", "set": {"title": 1}}, "set.title: wants a string"), ({**E, "set": {}}, 'event_type: not together with "set"'),
        ({"session_id": "s", "set": {}, "other": 1}, 'other: unknown beside "set"'),
        ({"session_id": "s", "set": {}, "title": "T"}, 'title: not together with "set"'),
        (b'{"session_id": "s", "event_type": "X", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "not one JSON object"),
    ]

    def test_a_bad_line_is_one_line_and_nothing_of_it_is_stored(self):
        for number, (bad, why) in enumerate(self.BAD):
            with self.subTest(why, bad=str(bad)[:80]):
                before, after = {**E, "session_id": f"b{number}"}, {**E, "session_id": f"a{number}"}
                report = self.append(before, bad, b"", after, code=1)
                self.assertEqual((report["events_added"], report["settings"], report["bad_lines"]), (2, 0, 1))
                self.assertRegex(self.stderr, r"\Avarve: append: line 2: [^\n]+\n\Z")
                self.assertIn(why, self.stderr)
        self.assertEqual({s["session_id"] for s in self.rows("sessions", "--all")},
                         {f"{form}{n}" for n in range(len(self.BAD)) for form in "ab"})

    def test_strict_is_all_or_nothing(self):
        report = self.append(*[E] * 3000, {"session_id": "s"}, b"words", args=["--strict"], code=1)
        self.assertEqual((report["events_added"], report["bad_lines"]), (0, 1))
        self.assertRegex(self.stderr, r"\Avarve: append: line 3001: event_type: [^\n]+\n\Z")
        self.assertEqual(self.rows("events"), [])
        self.assertEqual(self.append(*[E] * 3000, args=["--strict"])["events_added"], 3000)

    def test_one_object_over_any_lines(self):
        text = json.dumps({**E, "n": 1}, indent=2).encode()
        self.assertEqual(self.append(text, args=["--one"])["events_added"], 1)
        self.assertEqual(self.rows("events", "s")[0]["payload_bytes"], len(text))
        for bad in (text + text, b"", b"[]"):
            self.append(bad, args=["--one"], code=1)
            self.assertRegex(self.stderr, r"\Avarve: append: line 1: [^\n]+\n\Z")
        self.assertEqual(len(self.rows("events")), 1)
        with open(self.store / "LOCK.append", "rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            begun = time.monotonic()
            self.append(text, args=["--one", "--durability", "none"], code=3)
            self.assertLess(time.monotonic() - begun, 6)
            self.assertRegex(self.stderr, r"\Avarve: [^\n]+\n\Z")

    def test_inputs_that_cannot_be_read(self):
        self.append(args=[str(self.folder / "nowhere")], code=3)
        self.append(args=[str(self.folder)], code=3)
        self.append(args=["a", "b"], code=2)
        self.append(args=["--durability", "twice"], code=2)

    def test_what_has_come_through_a_pipe_is_stored_before_its_end(self):
        process = subprocess.Popen([VARVE, "--store", str(self.store), "append"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        for number in range(1, 4):
            process.stdin.write(json.dumps(E).encode() + b"\n" + b'{"session_id": ')
            process.stdin.flush()
            for _ in range(200):
                if (self.store / "STORE").exists() and (number == 1 or len(self.rows("events")) == number):
                    break
                time.sleep(0.02)
            process.stdin.write(b'"s", "set": {"title": "T"}}\n')
        deadline = time.monotonic() + 5
        while len(self.rows("events")) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(len(self.rows("events")), 3)
        process.stdin.close()
        self.assertEqual(process.wait(), 0)


if __name__ == "__main__":
    unittest.main()
