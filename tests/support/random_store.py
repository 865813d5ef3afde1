"""Stores with random histories, made by the varve command: the same for the same seed, but for keys of the store.

Every kind of record is met: events of all sources with and without times, tokens, charges that repeat on several lines and
sessions, settings, labels, parents, forks, rewinds, deletions, retention, cursors (by imports), merges, packing.
"""
import json
import os
import pathlib
import random
import struct
import subprocess

from reader.sums import sum64

VARVE = str(pathlib.Path(os.environ["VARVE"]).resolve()) if "VARVE" in os.environ else "varve"
TYPES = ("SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PermissionRequest", "Stop",
         "SubagentStart", "PreCompact", "ApiRequest", "ApiError", "TurnEnd", "user", "assistant", "something-else")
SOURCES = ("api", "hook", "otel", "transcript")
TEXTS = ("title", "cwd", "git_branch", "model", "transcript_path", "permission_mode", "framework", "version", "project",
         "github_repo", "error", "finish_reason", "agent_id", "tool_name", "subtype", "native_id")
COUNTS = ("duration_ms", "turn", "tool_calls", "github_issue", "github_pr", "git_additions", "git_deletions")
TOKENS = ("tokens_input", "tokens_output", "tokens_cache_read", "tokens_cache_write", "tokens_cache_write_1h",
          "tokens_reasoning")
START = 1_760_000_000


def varve(store, *args, stdin=None, expect=(0,)):
    done = subprocess.run([VARVE, "--store", str(store), "--format", "jsonl", *map(str, args)], input=stdin,
                          capture_output=True, check=False)
    if done.returncode not in expect:
        raise AssertionError(f"varve {args}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def small_segments(store):
    """A store of raw segments of 64 KiB, which the command has no option for."""
    varve(store, "append", "-", stdin=b"")
    path = store / "STORE"
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 64, 65536)
    struct.pack_into("<Q", data, 8, sum64(data[16:]))
    path.write_bytes(data)


class History:
    def __init__(self, store, seed, sessions=12):
        self.store, self.dice = store, random.Random(seed)
        self.names = [f"session-{seed}-{n}" for n in range(sessions)]
        self.known = set()

    def time(self):
        ns = self.dice.choice((0, 0, 250_000_000, 123_456_789))
        seconds = START + self.dice.randrange(400)
        day, second = divmod(seconds - START, 86400)
        return f"2025-10-{9 + day:02d}T{second // 3600 + 8:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{ns:09d}Z"

    def text(self):
        return self.dice.choice(("", "a", "über \U0001f419", "x" * 300, "two\nlines", f"text {self.dice.randrange(5)}"))

    def usage(self, event):
        dice = self.dice
        for name in TOKENS:
            if dice.random() < 0.7:
                event[name] = dice.choice((0, 1, 7, 100, 1000, 5))
        if dice.random() < 0.5:
            event["cost_usd"] = dice.choice((0, 0.25, 0.000000001, 1.5))
        if dice.random() < 0.7:
            event["message_id"] = f"msg-{dice.randrange(8)}"
            if dice.random() < 0.6:
                event["request_id"] = f"req-{dice.randrange(3)}"
        if dice.random() < 0.3:
            event["is_sidechain"] = dice.random() < 0.7

    def event(self):
        dice = self.dice
        event = {"session_id": dice.choice(self.names), "event_type": dice.choice(TYPES), "source": dice.choice(SOURCES)}
        if dice.random() < 0.95:
            event["timestamp"] = self.time()
        if dice.random() < 0.3:
            event["uid"] = f"uid-{dice.randrange(40)}"
        if dice.random() < 0.5:
            event["role"] = dice.choice(("user", "assistant", "system", "tool"))
        if dice.random() < 0.4:
            event["text"] = self.text()
        for name in TEXTS:
            if dice.random() < 0.12:
                event[name] = f"{name} {dice.randrange(4)}"
        for name in COUNTS:
            if dice.random() < 0.1:
                event[name] = dice.randrange(50)
        if dice.random() < 0.1:
            event |= {"status": dice.choice(("idle", "busy", "wait", "odd one")), "pid": 4242, "boot_id": "boot-1"}
        if dice.random() < 0.1:
            event |= {"pid": dice.randrange(1, 9999), "boot_id": "boot-2", "pid_namespace": "ns", "process_start_time": 1_700_000_000}
        for flag in ("is_user_message", "is_assistant_message", "is_api_error", "is_compaction", "is_turn"):
            if dice.random() < 0.05:
                event[flag] = dice.random() < 0.7
        if dice.random() < 0.5:
            self.usage(event)
        if dice.random() < 0.2:
            event["metadata"] = {"a": [1, None, "b"]}
        return event

    def setting(self):
        dice = self.dice
        given = {}
        for name in ("title", "cwd", "model", "goal", "project", "framework", "permission_mode"):
            if dice.random() < 0.2:
                given[name] = self.text().replace("\n", " ")
        if dice.random() < 0.5:
            given["labels"] = {f"l{dice.randrange(4)}": dice.choice(("1", "two", None, "")) for _ in range(2)}
        for name, values in (("status", ("done", "failed", "of its own")), ("mode", ("acp", "other")),
                             ("channel", ("cli", "pigeon")), ("session_type", ("main", "subagent", "odd"))):
            if dice.random() < 0.2:
                given[name] = dice.choice(values)
        if dice.random() < 0.3:
            given["parent_session_id"] = dice.choice(self.names + ["only-named"])
        if dice.random() < 0.1:
            given |= {"parent_tool_call_id": "call", "subagent_type": "explorer", "callbacks": [{"a": 1}]}
        if dice.random() < 0.1:
            given["hidden"] = True
        if dice.random() < 0.15:
            given |= {"github_issue": dice.randrange(1, 9), "git_additions": 0}
        return {"session_id": dice.choice(self.names), "set": given or {"title": "t"}, "timestamp": self.time()}

    def append(self, count):
        lines = [self.setting() if self.dice.random() < 0.12 else self.event() for _ in range(count)]
        self.known |= {line["session_id"] for line in lines}
        varve(self.store, "append", "-", stdin="".join(json.dumps(line) + "\n" for line in lines).encode())

    def seqs(self, name):
        return [json.loads(line)["seq"] for line in varve(self.store, "events", "--no-payload", name, expect=(0, 3)).splitlines()]

    def branch(self):
        """A fork, a rewind or a deletion of some session."""
        dice, name = self.dice, self.dice.choice(sorted(self.known))
        seqs = self.seqs(name)
        what = dice.random()
        if what < 0.45 and seqs:
            child = f"fork-{name}-{dice.randrange(1000)}"
            varve(self.store, "fork", name, child, "--at", dice.choice(seqs), expect=(0, 3))
            self.names.append(child)
        elif what < 0.85 and seqs:
            varve(self.store, "rewind", name, "--to", dice.choice(seqs), expect=(0, 3))
        elif what >= 0.85:
            varve(self.store, "delete", name, expect=(0, 3))
        if dice.random() < 0.3:
            varve(self.store, "set", name, "--absolute", "--input-tokens", dice.randrange(100), "--cost-usd", "0.5", "--turns", 3,
                  expect=(0, 3))

    def run(self, rounds, events=25):
        for _ in range(rounds):
            self.append(events)
            self.branch()
