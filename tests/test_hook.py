#!/usr/bin/env python3
"""What `varve hook` promises: a payload becomes one event with all it says, none is lost when many come
at once, and whatever is wrong, its caller goes on.

Environment: VARVE the command, VARVE_LONG more processes.
"""
import calendar
import concurrent.futures
import fcntl
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import time
import unittest

VARVE = os.environ["VARVE"]
LONG = bool(os.environ.get("VARVE_LONG"))
COMMON = {"session_id": "s", "transcript_path": "/t/s.jsonl", "cwd": "/c", "permission_mode": "plan"}


class HookTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.store = self.folder / "store"

    def hook(self, payload, *args, code=0, store=None, env=None, until_free=False):
        """until_free: once more if it says that the store was busy, as a slow machine's is for so many."""
        text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        run = None
        while run is None or (until_free and run.returncode == 3 and b"not stored: the store was busy" in run.stderr):
            run = subprocess.run([VARVE, "--store", str(store or self.store), "hook", *args], input=text,
                                 capture_output=True, env=env)
        self.assertEqual((run.returncode, run.stdout), (code, b""), run.stderr.decode())
        self.stderr = run.stderr.decode()
        return run

    def rows(self, *args):
        run = subprocess.run([VARVE, "--store", str(self.store), "--format", "jsonl", *args], capture_output=True)
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        return [json.loads(line) for line in run.stdout.splitlines()]

    # ---- What an event has ----

    def test_an_event_says_what_its_payload_says(self):
        text = json.dumps({**COMMON, "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_use_id": "toolu_1",
                           "agent_id": "a1", "agent_type": "builder", "tool_input": {"command": "l\u00fcs \u2603"}}, indent=1)
        before = time.time()
        self.hook(f"\n {text}\n".encode(), "--strict")
        event = self.rows("events", "s")[0]
        for field, value in {"type": "PreToolUse", "source": "hook", "session_id": "s", "transcript_path": "/t/s.jsonl",
                             "cwd": "/c", "permission_mode": "plan", "agent_id": "a1", "subagent_type": "builder",
                             "tool_name": "Bash", "tool_use_id": "toolu_1", "framework": "claude_code",
                             "is_sidechain": True, "pid": os.getpid(), "payload": json.loads(text),
                             "payload_bytes": len(text)}.items():
            self.assertEqual(event[field], value, field)
        self.assertEqual(event["boot_id"], pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        self.assertEqual(event["pid_namespace"], os.readlink("/proc/self/ns/pid"))
        stamp = event["time"][:19]
        self.assertIn(stamp, [time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before + more)) for more in range(5)])
        start = int(pathlib.Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
        boot = int(pathlib.Path("/proc/stat").read_text().split("btime ")[1].split()[0])
        told = calendar.timegm(time.strptime(event["process_started_at"][:19], "%Y-%m-%dT%H:%M:%S"))
        self.assertLessEqual(abs(told - (boot + start)), 2)

    def test_what_each_event_adds(self):
        for payload, want in [
            ({"hook_event_name": "SessionStart", "source": "resume", "model": "claude-opus-4-5"},
             {"subtype": "resume", "model": "claude-opus-4-5"}),
            ({"hook_event_name": "SessionEnd", "reason": "clear"}, {"subtype": "clear"}),
            ({"hook_event_name": "UserPromptSubmit", "prompt": "do it"}, {"text": "do it", "role": "user"}),
            ({"hook_event_name": "PostToolUseFailure", "error": "broke", "duration_ms": 12.0, "is_interrupt": False},
             {"error": "broke", "duration_ms": 12}),
            ({"hook_event_name": "PreCompact", "trigger": "auto", "custom_instructions": None}, {"subtype": "auto"}),
            ({"hook_event_name": "Notification", "title": "no title of the session", "notification_type": "idle_prompt"},
             {"subtype": "idle_prompt"}),
            ({"hook_event_name": "SubagentStop", "agent_id": "a2"}, {"spawned_agent_id": "a2"}),
            ({"hook_event_name": "WhateverComesNext"}, {}),
        ]:
            with self.subTest(payload["hook_event_name"]):
                self.hook({**COMMON, **payload}, "--strict")
                event = self.rows("events", "s")[-1]
                for field, value in {**want, "type": payload["hook_event_name"]}.items():
                    self.assertEqual(event[field], value)
        session = self.rows("sessions", "--all")[0]
        self.assertEqual((session["title"], session["user_messages"], session["status"]), (None, 1, "busy"))

    def test_another_agent_names_itself(self):
        self.hook({**COMMON, "hook_event_name": "Stop"}, "--agent", "cursor", "--strict")
        self.assertEqual(self.rows("events", "s")[0]["framework"], "cursor")

    # ---- Once, and all ----

    def test_a_tool_use_counts_once_and_equal_payloads_without_one_all_count(self):
        use = {**COMMON, "hook_event_name": "PreToolUse", "tool_use_id": "t1"}
        for payload in [use, use, {**use, "hook_event_name": "PostToolUse"}, {**use, "session_id": "other"}]:
            self.hook(payload, "--strict")
        for _ in range(3):
            self.hook({**COMMON, "hook_event_name": "PreToolUse"}, "--strict")
        self.assertEqual(len(self.rows("events", "s")), 2 + 3)
        self.assertEqual(len(self.rows("events", "other")), 1)

    def test_many_at_once_lose_nothing(self):
        processes, each = (32, 50) if LONG else (16, 20)

        def run(number):
            for i in range(each):
                more = {"tool_use_id": f"t{number}-{i}"} if i % 2 else {}
                self.hook({**COMMON, "session_id": f"s{number % 4}", "hook_event_name": "PreToolUse", **more}, "--strict",
                          *(["--durability", "none"] if number % 2 else []), until_free=True)

        with concurrent.futures.ThreadPoolExecutor(processes) as pool:
            list(pool.map(run, range(processes)))
        self.assertEqual(len(self.rows("events")), processes * each)
        for session in range(4):
            self.assertEqual([e["seq"] for e in self.rows("events", f"s{session}")],
                             list(range(1, processes * each // 4 + 1)))
        self.rows("verify", "--deep")

    # ---- What is wrong ----

    BAD = {
        "nothing": b"", "blank": b" \n", "no JSON": b"words", "cut": b'{"session_id": "s", "hook_event_name": "Sto',
        "an array": b'[{"session_id": "s", "hook_event_name": "Stop"}]',
        "two": b'{"session_id": "s", "hook_event_name": "Stop"} {}',
        "no session": b'{"hook_event_name": "Stop"}', "empty session": b'{"session_id": "", "hook_event_name": "Stop"}',
        "session of NUL": b'{"session_id": "a\\u0000", "hook_event_name": "Stop"}',
        "long session": json.dumps({"session_id": "s" * 1025, "hook_event_name": "Stop"}).encode(),
        "session no string": b'{"session_id": 3, "hook_event_name": "Stop"}',
        "no event": b'{"session_id": "s"}', "event no string": b'{"session_id": "s", "hook_event_name": []}',
        "long event": json.dumps({"session_id": "s", "hook_event_name": "S" * 257}).encode(),
        "too deep": b'{"session_id": "s", "hook_event_name": "Stop", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    }

    def test_a_bad_payload_is_one_line_and_nothing_stored(self):
        for name, payload in self.BAD.items():
            with self.subTest(name):
                self.hook(payload)
                self.assertRegex(self.stderr, r"\Avarve: hook: [^\n]+\n\Z")
                self.hook(payload, "--strict", code=1)
                self.assertRegex(self.stderr, r"\Avarve: hook: [^\n]+\n\Z")
        self.assertFalse(self.store.exists())

    def test_no_fault_of_any_kind_fails_the_caller(self):
        good = {**COMMON, "hook_event_name": "Stop"}
        blocked = self.folder / "file"
        blocked.write_text("")
        bare = {"PATH": os.environ["PATH"]}
        for args, store, env in [(["--nonsense"], None, None), (["--durability", "twice"], None, None), (["operand"], None, None),
                                 ([], blocked, None), ([], blocked / "below", None)]:
            with self.subTest(args or str(store)):
                self.hook(good, *args, store=store, env=env)
                self.assertGreater(len(self.stderr), 10)
                self.hook(good, *args, "--strict", store=store, env=env, code=3)
        run = subprocess.run([VARVE, "hook"], input=json.dumps(good).encode(), capture_output=True, env=bare)
        self.assertEqual(run.returncode, 0)
        self.assertIn(b"where is the store", run.stderr)
        run = subprocess.run([VARVE, "--format", "nonsense", "hook"], input=b"", capture_output=True)
        self.assertEqual(run.returncode, 0)
        with open(os.devnull, "wb") as nowhere:
            self.assertEqual(subprocess.run([VARVE, "--store", str(blocked), "hook"], input=b"{}", stdout=nowhere,
                                            close_fds=True, preexec_fn=lambda: os.close(2)).returncode, 0)
        self.assertFalse(self.store.exists())

    def test_a_store_that_stays_locked_is_given_up_after_two_seconds(self):
        good = {**COMMON, "hook_event_name": "Stop"}
        self.hook(good, "--strict")
        with open(self.store / "LOCK.append", "rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            begun = time.monotonic()
            self.hook(good)
            waited = time.monotonic() - begun
            self.assertRegex(self.stderr, r"\Avarve: hook: the event is not stored: .*busy[^\n]*\n\Z")
            self.assertTrue(1.5 < waited < 6, waited)
            self.hook(good, "--strict", code=3)
        self.hook(good, "--strict")
        self.assertEqual(len(self.rows("events")), 2)

    def test_a_payload_over_the_limit_is_refused(self):
        head, tail = b'{"session_id": "s", "hook_event_name": "Stop", "x": "', b'"}'
        self.hook(head + b"x" * (256 << 20) + tail, "--strict", code=1)
        self.assertRegex(self.stderr, r"\Avarve: hook: [^\n]*256 MiB[^\n]*\n\Z")
        self.hook(head + b"x" * 3_000_000 + tail, "--strict")
        self.assertGreater(self.rows("events")[0]["payload_bytes"], 3_000_000)

    # ---- Its settings ----

    def test_the_settings_call_this_program_with_this_store(self):
        store = self.folder / "it's a store"
        run = subprocess.run([VARVE, "--store", str(store), "hook", "install", "--print"], capture_output=True, check=True)
        hooks = json.loads(run.stdout)["hooks"]
        for event in ("SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PermissionRequest",
                      "Notification", "Stop", "SubagentStart", "SubagentStop", "PreCompact"):
            self.assertEqual([h["type"] for h in hooks[event][0]["hooks"]], ["command"])
        self.assertNotIn("WorktreeCreate", hooks)  # a hook of it makes the work tree
        command = hooks["Stop"][0]["hooks"][0]["command"]
        program, *words = shlex.split(command)
        if "VARVE_VALGRIND" in os.environ:  # VARVE is valgrind's launcher then, and the program another file
            self.assertTrue(os.path.isabs(program) and os.path.basename(program) == "varve", program)
        else:
            self.assertEqual(program, os.path.realpath(VARVE))
        self.assertEqual(words, ["--store", str(store), "hook"])
        subprocess.run(command, shell=True, check=True, input=json.dumps({**COMMON, "hook_event_name": "Stop"}).encode())
        self.assertTrue((store / "STORE").exists())
        self.assertEqual(subprocess.run([VARVE, "hook", "install"], capture_output=True).returncode, 2)


if __name__ == "__main__":
    unittest.main()
