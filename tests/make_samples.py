#!/usr/bin/env python3
"""Makes tests/samples: Claude Code transcripts with the oddities that real ones have.

    tests/make_samples.py               write tests/samples anew
    tests/make_samples.py --check       say whether tests/samples is what this program makes
    tests/make_samples.py --count DIR   count the transcripts below DIR, print the totals as JSON

Everything in the samples is invented, and every run makes the same bytes. expected.json says what
a right import of them shows. It is counted from the finished files by sample_totals.py.
"""

import datetime
import hashlib
import json
import pathlib
import re
import shutil
import sys
import tempfile
import textwrap

from sample_totals import Count, parse, report

SAMPLES = pathlib.Path(__file__).resolve().parent / "samples"

# ---- Writing transcripts -------------------------------------------------------------------------

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Names:
    """Identifiers in the shapes of the real ones, the same on every run."""

    def __init__(self, seed):
        self.seed = seed
        self.given = 0

    def _digest(self):
        self.given += 1
        return hashlib.sha256(f"varve samples/{self.seed}/{self.given}".encode()).digest()

    def uuid(self):
        h = self._digest().hex()
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{'89ab'[int(h[16], 16) % 4]}{h[17:20]}-{h[20:32]}"

    def _base58(self, length):
        return "".join(BASE58[byte % 58] for byte in self._digest()[:length])

    def message(self):
        return "msg_01" + self._base58(22)

    def request(self):
        return "req_011C" + self._base58(20)

    def tool_use(self):
        return "toolu_01" + self._base58(22)


def session_id(name):
    return Names("session " + name).uuid()


def encode(value, ascii_only=False):
    return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":")).encode("utf-8")


def iso(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def text(words):
    return {"type": "text", "text": words}


def thinking(words):
    return {"type": "thinking", "thinking": words, "signature": "RXhhbXBsZSBzaWduYXR1cmU="}


class Transcript:
    """One transcript file in the making: a chain of entries, with whatever stands between them."""

    def __init__(self, name, version, start, cwd, branch="main", agent=None, session=None, **marks):
        self.names = Names("lines of " + name)
        self.session = session or session_id(name)
        self.version = version
        self.release = tuple(int(n) for n in version.split("."))
        self.time = datetime.datetime.fromisoformat(start)
        self.cwd, self.branch, self.agent = cwd, branch, agent
        self.marks = marks  # more keys of every entry: slug, entrypoint, sessionKind
        self.lines = []
        self.last_uuid = None
        self.last_tool_use = None

    def wait(self, seconds):
        self.time += datetime.timedelta(milliseconds=round(seconds * 1000))
        return self

    def raw(self, value, ascii_only=False):
        """A line that is not part of the chain."""
        self.lines.append(encode(value, ascii_only))

    def entry(self, body, head=None, late_by=0, ascii_only=False):
        """A line of the chain. Newer versions put what all entries share last, older ones first."""
        uuid = self.names.uuid()
        stamp = {"uuid": uuid, "timestamp": iso(self.time - datetime.timedelta(seconds=late_by))}
        value = {"parentUuid": self.last_uuid}
        value.update(head or {})
        value["isSidechain"] = self.agent is not None
        shared = {"userType": "external", "cwd": self.cwd, "sessionId": self.session,
                  "version": self.version, "gitBranch": self.branch, **self.marks}
        if self.release < (1, 0, 77):
            del shared["gitBranch"]
        agent = {"agentId": self.agent} if self.agent else {}
        if self.release >= (2, 1, 114):
            value.update(**agent, **body, **stamp, **shared)
        else:
            value.update(**shared, **agent, **body, **stamp)
        self.last_uuid = uuid
        self.raw(value, ascii_only)
        self.wait(0.4)
        return value

    def user(self, content, **more):
        if self.release >= (2, 1, 114):
            more = {"promptId": self.names.uuid(), **more}
        return self.entry({"type": "user", "message": {"role": "user", "content": content}, **more})

    def tool(self, name, **arguments):
        """A tool_use block, for answer(); result() answers the last one."""
        self.last_tool_use = self.names.tool_use()
        return {"type": "tool_use", "id": self.last_tool_use, "name": name, "input": arguments}

    def result(self, output, detail=None, error=False):
        block = {"tool_use_id": self.last_tool_use, "type": "tool_result", "content": output}
        if error:
            block["is_error"] = True
        self.wait(1.3)
        more = {"toolUseResult": detail if detail is not None else output}
        if self.release >= (2, 1, 1):
            more["sourceToolAssistantUUID"] = self.last_uuid
        return self.user([block], **more)

    def usage(self, into, output, write_5m=0, write_1h=0, read=0, **more):
        """The usage object as this transcript's version writes it."""
        usage = {"input_tokens": into, "cache_creation_input_tokens": write_5m + write_1h,
                 "cache_read_input_tokens": read}
        if self.release >= (1, 0, 128):
            usage["cache_creation"] = {"ephemeral_5m_input_tokens": write_5m,
                                       "ephemeral_1h_input_tokens": write_1h}
        usage["output_tokens"] = output
        if self.release >= (2, 0, 76):
            usage["server_tool_use"] = {"web_search_requests": 0, "web_fetch_requests": 0}
        usage["service_tier"] = "standard"
        if self.release >= (2, 1, 17):
            usage["inference_geo"] = "not_available"
        usage.update(more)
        if self.release >= (2, 1, 41):
            usage["speed"] = "standard"
        return usage

    def message(self, model, block, usage, message_id, stop=None):
        return {"model": model, "id": message_id, "type": "message", "role": "assistant",
                "content": [block], "stop_reason": stop, "stop_sequence": None, "usage": usage}

    def answer(self, model, blocks, outputs, message_id=None, request_id=None, pause=0.2, **tokens):
        """One response of the API: a line a block, each with the whole usage; outputs[i] is what
        line i says of output_tokens. request_id False: the lines carry none. Returns both ids."""
        message_id = message_id or self.names.message()
        request_id = self.names.request() if request_id is None else request_id
        for number, (block, output) in enumerate(zip(blocks, outputs, strict=True)):
            stop = None
            if self.release >= (2, 1, 156) or self.release < (2, 1, 12):
                stop = "tool_use" if blocks[-1]["type"] == "tool_use" else "end_turn"
                stop = stop if number == len(blocks) - 1 else None
            usage = self.usage(output=output, **tokens)
            body = {"message": self.message(model, block, usage, message_id, stop)}
            if request_id:
                body["requestId"] = request_id
            body["type"] = "assistant"
            self.wait(pause)
            self.entry(body)
        return message_id, request_id

    def system(self, subtype, head=None, **more):
        subtype = {"subtype": subtype} if subtype else {}
        return self.entry({"type": "system", **subtype, **more}, head)

    def attachment(self, kind, late_by=0, **more):
        return self.entry({"attachment": {"type": kind, **more}, "type": "attachment"},
                          late_by=late_by)

    def progress(self, kind, parent_tool, own_tool, **data):
        return self.entry({"type": "progress", "data": {"type": kind, **data},
                           "toolUseID": own_tool, "parentToolUseID": parent_tool})

    def agent_progress(self, parent_tool, agent, inner):
        """What a subagent just said, as older versions copied it into the parent's transcript."""
        inner = {**inner, "uuid": self.names.uuid(), "timestamp": iso(self.time)}
        return self.entry({
            "type": "progress",
            "data": {"message": inner, "normalizedMessages": [], "type": "agent_progress",
                     "prompt": "Find every caller of the flicker timer.", "agentId": agent},
            "toolUseID": "agent_" + self.names.message(), "parentToolUseID": parent_tool})

    def snapshot(self, update=False):
        """Carries neither session nor time of its own."""
        snapshot = {"messageId": self.last_uuid, "trackedFileBackups": {},
                    "timestamp": iso(self.time)}
        self.raw({"type": "file-history-snapshot", "messageId": self.last_uuid,
                  "snapshot": snapshot, "isSnapshotUpdate": update})

    def queue(self, operation, late_by=0, **more):
        time = iso(self.time - datetime.timedelta(seconds=late_by))
        self.raw({"type": "queue-operation", "operation": operation, "timestamp": time,
                  "sessionId": self.session, **more})

    def data(self, end=b"\n", last=None):
        """The file's bytes; last: what ends its last line, where that differs."""
        if not self.lines:
            return b""
        return end.join(self.lines) + (end if last is None else last)


# ---- The samples ---------------------------------------------------------------------------------

FABLE, OPUS, OPUS_41 = "claude-fable-5", "claude-opus-4-5-20251101", "claude-opus-4-1-20250805"
SONNET, SONNET_4 = "claude-sonnet-4-5-20250929", "claude-sonnet-4-20250514"
SONNET_5, HAIKU = "claude-sonnet-5", "claude-haiku-4-5-20251001"
UNPRICED = "workshop-coder-preview"

TIDEPOOL, LANTERN = "-home-mira-src-tidepool", "-home-mira-src-lantern-api"
OTTER, HARBOR = "C--Users-Theo-code-brass-otter", "-home-mira-src-harbor"

SAMPLE_MAKERS = []


def sample(maker):
    """Marks a function that gives {path: bytes}; its docstring says what is odd about the files."""
    SAMPLE_MAKERS.append(maker)
    return maker


def modern_session():
    t = Transcript("modern", "2.1.209", "2026-06-30T23:58:40", "/home/mira/src/tidepool", "reef-ui",
                   entrypoint="cli", slug="patient-humming-anemone")
    t.raw({"type": "mode", "mode": "normal", "sessionId": t.session})
    t.raw({"type": "permission-mode", "permissionMode": "acceptEdits", "sessionId": t.session})
    t.queue("enqueue", content="Why does the 水温 gauge flicker? 🐙 It did not before 0.4.")
    t.queue("dequeue")
    t.attachment("hook_success", hookName="SessionStart:startup", toolUseID=t.names.uuid(),
                 hookEvent="SessionStart", content="", stdout="ready\n", stderr="", exitCode=0,
                 command="scripts/hello", durationMs=41)
    t.attachment("deferred_tools_delta", addedNames=["WebFetch"], addedLines=["WebFetch"],
                 removedNames=[])
    t.user("Why does the 水温 gauge flicker? 🐙 It did not before 0.4.",
           permissionMode="acceptEdits")
    t.snapshot()
    t.answer(FABLE, [thinking("The gauge redraws on every tick."), text("I will read the timer."),
                     t.tool("Read", file_path="/home/mira/src/tidepool/src/gauge.rs")],
             [3, 3, 412], into=6, write_5m=0, write_1h=18250, read=11904, pause=30)
    t.result("   1\tpub fn draw(&mut self) {\n   2\t    self.flicker();\n   3\t}\n",
             {"type": "text",
              "file": {"filePath": "/home/mira/src/tidepool/src/gauge.rs",
                       "content": "pub fn draw(&mut self) {\n    self.flicker();\n}\n",
                       "numLines": 3, "startLine": 1, "totalLines": 3}})
    t.queue("enqueue", late_by=75, content="and check the pump, too")
    t.attachment("queued_command", late_by=74, commandMode="prompt",
                 prompt="and check the pump, too")
    t.answer(FABLE, [text("Two subagents will look at the callers."),
                     t.tool("Task", description="Find callers", subagent_type="general-purpose",
                            prompt="Find every caller of flicker().")],
             [655, 655], into=2, write_5m=402, read=30154)
    t.result([text("Three callers, all in src/ui.")],
             {"status": "completed", "prompt": "Find every caller of flicker().",
              "agentId": "a3f1c09be27d4560f", "content": [text("Three callers, all in src/ui.")],
              "totalDurationMs": 48211, "totalTokens": 41200, "totalToolUseCount": 3,
              "usage": {"input_tokens": 40000, "cache_creation_input_tokens": 700,
                        "cache_read_input_tokens": 100, "output_tokens": 400}})
    t.system("api_error", level="error", error={"message": "Connection error."}, retryInMs=612.25,
             retryAttempt=1, maxRetries=10)
    t.entry({"message": {"id": t.names.uuid(), "container": None, "model": "<synthetic>",
                         "role": "assistant", "stop_reason": "stop_sequence", "stop_sequence": "",
                         "type": "message", "usage": t.usage(0, 0),
                         "content": [text("API Error: the connection was closed")],
                         "context_management": None},
             "error": "server_error", "isApiErrorMessage": True, "type": "assistant"})
    t.user('Go on. The log says "usage":{"input_tokens":999999,"output_tokens":999999} — a joke.')
    t.wait(20)
    fallback = [{"model": FABLE, "input_tokens": 900, "output_tokens": 2, "type": "message"},
                {"model": OPUS, "input_tokens": 40, "output_tokens": 77, "type": "message"}]
    t.answer(OPUS, [{"type": "fallback", "originalModel": FABLE, "fallbackModel": OPUS},
                    text("The timer fires twice: once from `tick`, once from `draw`.")],
             [77, 77], into=40, write_5m=1200, write_1h=300, read=30535, iterations=fallback)
    t.system("model_refusal_fallback", direction="retry", content="Switched models.",
             level="warning", trigger="refusal", originalModel=FABLE, fallbackModel=OPUS)
    t.system("turn_duration", durationMs=88140, messageCount=14, isMeta=False)
    t.raw({"type": "ai-title", "sessionId": t.session, "aiTitle": "Flickering gauge"})
    for _ in range(3):
        t.raw({"type": "custom-title", "customTitle": "水温 gauge 🌊", "sessionId": t.session})
        t.raw({"type": "last-prompt", "lastPrompt": "Go on.", "leafUuid": t.last_uuid,
               "sessionId": t.session})
    t.raw({"type": "pr-link", "sessionId": t.session, "prNumber": 17,
           "prUrl": "https://example.com/mira/tidepool/pull/17", "prRepository": "mira/tidepool",
           "timestamp": iso(t.time)})
    t.raw({"type": "frame-link", "sessionId": t.session, "path": "/tmp/gauge.html",
           "frameUrl": "https://example.com/frames/gauge", "title": "Gauge",
           "timestamp": iso(t.time)})
    t.cwd = "/home/mira/src/tidepool/crates/pump"
    before = t.last_uuid
    t.last_uuid = None
    t.system("compact_boundary", {"logicalParentUuid": before}, content="Conversation compacted",
             isMeta=False, level="info", compactMetadata={"trigger": "auto", "preTokens": 148020})
    t.user("This session continues an earlier one. The gauge fired twice; that is mended.",
           isCompactSummary=True, isVisibleInTranscriptOnly=True)
    t.version, t.release = "2.1.217", (2, 1, 217)
    t.raw({"type": "session-weather", "sessionId": t.session, "outlook": {"wind": [3, None, True]},
           "ticks": 18446744073709551615, "ratio": 1.5e-7})
    t.entry({"type": "reef-note", "note": "an entry of a kind that nobody knows yet"})
    t.system("tide_turned", content="a subtype that nobody knows yet", level="info")
    t.answer(SONNET_5, [text("The pump is fine: 21.5 °C ± 0.2, no flicker. 完了しました。")],
             [58], into=11, write_5m=9120, read=4010)
    long_log = "".join(f"{n:04d} pump ok, flow {n * 37 % 1000:3d} ml/s\n" for n in range(640))
    t.answer(SONNET_5, [t.tool("Bash", command="cat pump.log")], [91],
             into=4, write_5m=88, read=13130)
    t.result(long_log, {"stdout": long_log, "stderr": "", "interrupted": False, "isImage": False})
    t.answer(SONNET_5, [text("\u001b[32mAll well.\u001b[0m")], [12],
             into=3, write_5m=9004, read=13218)
    t.system("stop_hook_summary", hookCount=1, hookInfos=[{"command": "scripts/bye"}],
             hookErrors=[], preventedContinuation=False, stopReason="", hasOutput=False,
             level="suggestion")
    return t


@sample
def modern():
    """The newest shape: shared keys last, 5 minute and 1 hour cache writes, a response over several
    lines (across midnight UTC: its day is the one of its fullest line), titles that repeat, entries
    without uuid or time, links, late queue lines, a compaction, a change of version and of
    directory, a fallback turn, an API error as `<synthetic>`, usage that is none (a tool's result,
    an escaped text), types and subtypes that nobody knows, a number over 2^63, CJK, emoji, ANSI
    codes, a long line."""
    t = modern_session()
    return {f"{TIDEPOOL}/{t.session}.jsonl": t.data()}


@sample
def fork():
    """A fork: the whole chain of the session above with only sessionId rewritten (same uuids,
    messages, requests), then lines of its own."""
    origin = modern_session()
    t = Transcript("modern fork", "2.1.217", "2026-07-01T08:30:00", "/home/mira/src/tidepool",
                   "reef-ui", entrypoint="cli", slug="patient-humming-anemone", sessionKind="bg")
    t.lines = [line.replace(origin.session.encode(), t.session.encode())
               for line in origin.lines if b'"parentUuid"' in line]
    t.last_uuid = origin.last_uuid
    t.user("Try it with one timer only.")
    t.answer(OPUS, [text("One timer it is."), t.tool("Edit", file_path="src/gauge.rs",
                                                    old_string="two", new_string="one")],
             [140, 140], into=5, write_5m=2210, read=22310)
    t.result("The file has been updated.", {"filePath": "src/gauge.rs", "userModified": False})
    t.answer(OPUS, [text("Done.")], [9], into=1, write_1h=120, read=24520)
    return {f"{TIDEPOOL}/{t.session}.jsonl": t.data()}


@sample
def nested_subagents():
    """Subagents below `<session>/subagents/` and, a level deeper, of a workflow: their lines are
    sidechains, carry the agent's id and the parent's sessionId. A `.meta.json` beside them is no
    transcript."""
    folder = f"{TIDEPOOL}/{session_id('modern')}/subagents"
    files = {}
    for agent, place, model in (("a3f1c09be27d4560f", "", HAIKU),
                                ("a9d07c55e1b24837c", "workflows/wf_reef-audit/", SONNET_5)):
        t = Transcript("agent " + agent, "2.1.209", "2026-07-01T00:00:02",
                       "/home/mira/src/tidepool", "reef-ui", agent, session_id("modern"),
                       entrypoint="cli")
        t.user("Find every caller of flicker().")
        t.answer(model, [t.tool("Grep", pattern="flicker\\(", path="src")], [88],
                 into=320, write_5m=6040, read=0)
        t.result("src/ui/a.rs:4\nsrc/ui/b.rs:19\nsrc/ui/c.rs:7",
                 {"mode": "files_with_matches", "filenames": ["a.rs", "b.rs", "c.rs"],
                  "numFiles": 3})
        t.answer(model, [text("Three callers, all in src/ui.")], [31],
                 into=8, write_5m=210, read=6040)
        files[f"{folder}/{place}agent-{agent}.jsonl"] = t.data()
    files[f"{folder}/agent-a3f1c09be27d4560f.meta.json"] = encode(
        {"agentType": "general-purpose", "description": "Find callers"})
    return files


def old_session():
    t = Transcript("old", "1.0.57", "2025-07-18T10:05:00", "/home/mira/src/tidepool")
    t.raw({"type": "summary", "summary": "First light of the reef controller",
           "leafUuid": Names("another session").uuid()})
    t.user("Set up the crate.")
    t.answer(SONNET_4, [text("I will make a workspace."), t.tool("Bash", command="cargo init")],
             [1, 167], into=4, write_5m=14210, read=0)
    t.result("Created binary package", {"stdout": "Created binary package", "stderr": "",
                                        "interrupted": False, "isImage": False})
    t.system(None, content="Running \u001b[1mPostToolUse:Bash\u001b[22m...", isMeta=False,
             toolUseID=t.last_tool_use, level="info")
    t.answer(SONNET_4, [text("The crate stands.")], [26], into=7, write_5m=160, read=14210)
    t.user([{"type": "text", "text": "Now the pump, please."}])
    t.answer(OPUS_41, [thinking("A pump needs a pin."), text("Which pin does it hang on?")],
             [2, 240], into=12, write_5m=14500, read=0)
    return t


@sample
def old():
    """An old version: no branch, no cache_creation breakdown, output_tokens that grow from line to
    line, a system entry without subtype, a summary line of another session at the top."""
    t = old_session()
    return {f"{TIDEPOOL}/{t.session}.jsonl": t.data()}


@sample
def sidechains_of_the_old_one():
    """A subagent file beside its parent. Of its responses one has no requestId and one another
    requestId than the parent's line with the same message id: each is one charge with it (the first
    says more than the parent's line, the second less). One is its own."""
    parent = old_session()
    main = {}
    for line in parent.lines:
        value = json.loads(line)
        if value["type"] == "assistant":
            main[value["message"]["id"]] = value["message"]
    shared = list(main)[-2:]
    t = Transcript("agent 1b7e90ad", "1.0.57", "2025-07-18T10:07:00", "/home/mira/src/tidepool",
                   agent="1b7e90ad", session=parent.session)
    t.user("Which pins are free?")
    for message_id, output, request_id in ((shared[0], 44, False), (shared[1], 3, None)):
        usage = main[message_id]["usage"]
        t.answer(main[message_id]["model"], main[message_id]["content"], [output], message_id,
                 request_id, into=usage["input_tokens"],
                 write_5m=usage["cache_creation_input_tokens"],
                 read=usage["cache_read_input_tokens"])
    t.answer(SONNET_4, [text("Pins 4, 17 and 27.")], [19], into=211, write_5m=3020)
    return {f"{TIDEPOOL}/agent-1b7e90ad.jsonl": t.data()}


@sample
def orphan_subagent():
    """A subagent whose parent is known by name only."""
    t = Transcript("agent 0c4d21fe", "2.0.31", "2025-11-05T14:22:41", "/home/mira/src/tidepool",
                   agent="0c4d21fe", session=session_id("never seen"))
    t.user("Warmup")
    t.answer(HAIKU, [text("I am ready to help.")], [24], into=3, write_5m=0, read=12080)
    return {f"{TIDEPOOL}/agent-0c4d21fe.jsonl": t.data(last=b"")}


@sample
def empty_and_summaries():
    """An empty file; a file of summary lines only, which name neither a session nor a time."""
    names = Names("summaries")
    lines = [{"type": "summary", "summary": words, "leafUuid": names.uuid()}
             for words in ("Pump wiring", "Gauge colours — 色")]
    return {f"{TIDEPOOL}/{session_id('empty')}.jsonl": b"",
            f"{TIDEPOOL}/{session_id('summaries')}.jsonl":
                b"".join(encode(line) + b"\n" for line in lines)}


@sample
def progress():
    """A version (2.1.17) whose output counts are placeholders, so only a lower bound. Its progress
    lines copy what subagents said: one response that no other line charges (twice), one that the
    subagent's own file tells alike, one of which the progress line says more than that file. Hook
    progress lines repeat byte for byte."""
    agent = "a7c03d1"
    t = Transcript("progress", "2.1.17", "2026-01-23T06:20:10", "/home/mira/src/lantern-api",
                   "flicker", slug="gentle-rowing-beacon")
    child = Transcript("agent " + agent, "2.1.17", "2026-01-23T06:20:50",
                       "/home/mira/src/lantern-api", "flicker", agent, t.session,
                       slug="gentle-rowing-beacon")
    t.user("Find out why the lantern API answers twice.", todos=[],
           thinkingMetadata={"level": "high", "disabled": False, "triggers": []})
    t.snapshot()
    t.answer(OPUS, [thinking("A subagent can read the handlers."),
                    t.tool("Task", description="Read handlers", prompt="Find every caller.",
                           subagent_type="Explore")],
             [1, 1], into=10, write_5m=38412, read=0)
    task = t.last_tool_use
    hook = t.progress("hook_progress", task, task, hookEvent="PreToolUse",
                      hookName="PreToolUse:Task", command="callback")
    t.raw(hook)
    t.raw(hook)

    def said(output, words, ids=None, **tokens):
        """A response of the subagent, as a progress line carries it."""
        message_id, request_id = ids or (t.names.message(), t.names.request())
        message = t.message(HAIKU, text(words), t.usage(output=output, **tokens), message_id)
        return {"type": "assistant", "message": message, "requestId": request_id}

    t.agent_progress(task, agent, {"type": "user",
                                   "message": {"role": "user", "content": "Find every caller."}})
    alone = said(3, "Reading the handlers.", into=2610, write_5m=9480)
    t.agent_progress(task, agent, alone)
    t.agent_progress(task, agent, alone)

    child.user("Find every caller.")
    alike = dict(into=5, write_5m=1204, read=9480)
    ids = child.answer(HAIKU, [text("Two routes share a handler.")], [2], **alike)
    t.agent_progress(task, agent, said(2, "Two routes share a handler.", ids, **alike))
    more = dict(into=7, write_5m=330, read=10684)
    ids = child.answer(HAIKU, [text("The second one is registered in main.")], [4], **more)
    t.agent_progress(task, agent, said(61, "The second one is registered in main.", ids, **more))

    t.progress("bash_progress", task, "bash-progress-0", output="", fullOutput="",
               elapsedTimeSeconds=2, totalLines=0)
    t.progress("query_update", task, "search-progress-1", query="duplicate route")
    t.system("microcompact_boundary", content="Context microcompacted", isMeta=False, level="info",
             microcompactMetadata={"trigger": "auto", "preTokens": 58900, "tokensSaved": 19750,
                                   "compactedToolIds": [task], "clearedAttachmentUUIDs": []})
    t.snapshot(update=True)
    t.result("The second one is registered in main.", {"status": "completed", "totalTokens": 24000})
    t.answer(OPUS, [text("The route is registered twice; I removed one.")], [1],
             into=3, write_5m=512, read=38412)
    return {f"{LANTERN}/{t.session}.jsonl": t.data(last=b""),
            f"{LANTERN}/agent-{agent}.jsonl": child.data(last=b"")}


@sample
def damaged():
    """Damage as it is met: two records glued `}{` on one line (one of them a response that stands
    nowhere else, one that a good line tells too, and less fully), a record cut off with the next
    one on its line, a run of NULs before a record, one inside a record, one alone, a line of
    rubbish."""
    t = Transcript("damaged", "2.0.64", "2026-01-18T11:12:00", "/home/mira/src/lantern-api")
    t.user("Rename the lamp endpoints.")

    def take():
        return t.lines.pop()

    t.answer(OPUS, [text("Renaming lamp to lantern.")], [30], into=9, write_5m=5100)
    t.user("And the tests?")
    glued = take()
    t.snapshot()
    t.lines.append(glued + take())

    t.answer(OPUS, [text("The tests follow.")], [44], into=4, write_5m=610, read=5100)
    lost_elsewhere = take()
    t.user("Good.")
    t.lines.append(lost_elsewhere + take())

    ids = t.answer(SONNET, [text("Half an answer")], [5], into=6, write_5m=90, read=5710)
    t.answer(SONNET, [text("Half an answer, and the rest.")], [25], *ids,
             into=6, write_5m=90, read=5710)
    fuller = take()
    t.raw({"type": "summary", "summary": "Lamps renamed", "leafUuid": t.last_uuid})
    t.lines.append(fuller + take())

    t.answer(SONNET, [text("This record was cut in the middle of a sente")], [70],
             into=3, write_5m=70, read=5800)
    cut = take()
    t.answer(SONNET, [text("This one was written behind it.")], [18],
             into=5, write_5m=44, read=5870)
    t.lines.append(cut[:cut.index(b" of a sente")] + take())

    t.answer(SONNET, [text("After the power cut.")], [21], into=2, write_5m=33, read=5914)
    t.lines.append(bytes(512) + take())
    t.user("A record that lost its middle, and with it nothing that could be charged.")
    hollow = take()
    hole = hollow.index(b'"cwd":') + 3, hollow.index(b'"sessionId":') + 14
    t.lines.append(hollow[:hole[0]] + bytes(hole[1] - hole[0]) + hollow[hole[1]:])
    t.lines.append(bytes(64))
    t.lines.append(b"Killed: 9")
    t.answer(OPUS, [text("All well again.")], [8], into=1, write_5m=15, read=5947)
    return {f"{LANTERN}/{t.session}.jsonl": t.data()}


@sample
def cut_last_line():
    """The last line is unfinished and does not parse: a writer may still be in it."""
    t = Transcript("cut", "2.1.42", "2026-02-17T15:30:20", "/home/mira/src/lantern-api")
    t.user("Start the server.")
    t.answer(OPUS, [t.tool("Bash", command="make serve", run_in_background=True)], [3],
             into=3, write_1h=5212, read=20880)
    t.answer(OPUS, [text("It listens on port 7007.")], [900], into=3, write_1h=100, read=26092)
    t.lines[-1] = t.lines[-1][:-200]
    return {f"{LANTERN}/{t.session}.jsonl": t.data(last=b"")}


@sample
def no_last_newline():
    """The last line has no end and parses: it counts. Blank lines, at the start too."""
    t = Transcript("unended", "2.0.76", "2026-01-04T07:00:00", "/home/mira/src/lantern-api")
    t.lines.append(b"")
    t.user("Which port?")
    t.lines += [b"", b""]
    t.answer(OPUS, [text("Port 7007.")], [11], into=3, write_5m=1870, read=0)
    return {f"{LANTERN}/{t.session}.jsonl": t.data(last=b"")}


@sample
def prices():
    """Models: over 200,000 tokens where that costs more (in one field, in several), without a
    price, `<synthetic>`; a response without requestId; one message id under two requests, which is
    two charges."""
    t = Transcript("prices", "2.0.14", "2025-10-11T12:00:00", "/home/mira/src/lantern-api")
    t.user("Read the whole archive.")
    t.answer(SONNET, [thinking("That is a lot."), text("Read.")], [1, 1200], into=230000,
             write_5m=1000, write_1h=2000, read=150000)
    t.answer(SONNET, [text("Read again, from the cache.")], [300], into=12, write_5m=201000,
             read=412345)
    t.answer(SONNET_4, [text("And once more.")], [200001], into=200000, read=200001)
    t.answer(OPUS_41, [text("A summary.")], [4000], into=250000, write_1h=1500)
    t.answer(UNPRICED, [text("A second opinion.")], [800], into=5000, write_5m=100, read=60)
    t.answer(HAIKU, [text("Short."), text("Shorter.")], [4, 9], request_id=False, into=70)
    message_id, _ = t.answer(HAIKU, [text("Asked once.")], [15], into=90)
    t.answer(HAIKU, [text("Asked again.")], [16], message_id, into=90)
    t.answer("<synthetic>", [text("No response requested.")], [0], request_id=False, into=0)
    return {f"{LANTERN}/{t.session}.jsonl": t.data()}


@sample
def bare():
    """Lines with hardly a field: no sessionId, no uuid, no message id (each response counts by
    itself, also two that are alike), usage without cache fields."""
    lines = [
        {"type": "user", "timestamp": "2025-06-20T10:00:00Z",
         "message": {"content": "Light the lamp"}, "cwd": "/home/mira/src/lantern-api"},
        {"type": "assistant", "timestamp": "2025-06-20T10:00:05Z",
         "message": {"model": SONNET_4, "content": [text("Lit.")],
                     "usage": {"input_tokens": 100, "output_tokens": 50}}},
        {"type": "assistant", "timestamp": "2025-06-20T10:00:05Z",
         "message": {"model": SONNET_4, "content": [text("Lit.")],
                     "usage": {"input_tokens": 100, "output_tokens": 50}}},
        {"type": "assistant", "timestamp": "2025-06-20T10:05:05Z",
         "message": {"model": SONNET_4, "content": [text("Lit as well.")],
                     "usage": {"input_tokens": 150, "output_tokens": 75,
                               "cache_creation_input_tokens": 200,
                               "cache_read_input_tokens": 300}}},
        {"type": "user", "message": {"content": "No time at all"}},
    ]
    return {f"{LANTERN}/bare-session.jsonl": b"".join(encode(line) + b"\n" for line in lines)}


@sample
def windows():
    """Windows: CRLF at every line's end, a blank line, paths with backslashes, a lone surrogate (as
    an escape, as JSON can hold one), tabs and quotes in texts."""
    t = Transcript("windows", "2.1.205", "2026-07-14T09:15:30",
                   "C:\\Users\\Theo\\code\\brass-otter", "next", entrypoint="claude-desktop")
    t.queue("enqueue", content="Oil the \"otter\"\tplease")
    t.queue("dequeue")
    t.user("Oil the \"otter\"\tplease")
    t.answer(FABLE, [text("Opening it."), t.tool("Read", file_path=t.cwd + "\\src\\Otter.cs")],
             [210, 210], into=2, write_1h=14980, read=21740)
    t.result("class Otter { }", {"type": "text", "file": {"filePath": t.cwd + "\\src\\Otter.cs",
                                                          "content": "class Otter { }"}})
    t.lines.append(b"")
    halved = {"role": "user", "content": "An otter cut in half: \ud83e"}
    t.entry({"type": "user", "promptId": t.names.uuid(), "message": halved}, ascii_only=True)
    t.answer(FABLE, [text("🦦 mended: C:\\Users\\Theo\\code is clean.")], [77],
             into=4, write_1h=410, read=36720)
    t.attachment("edited_text_file", late_by=9, filename=t.cwd + "\\src\\Otter.cs", snippet="",
                 displayPath="src\\Otter.cs")
    return {f"{OTTER}/{t.session}.jsonl": t.data(b"\r\n")}


@sample
def renamed():
    """The lines' sessionId is not the file's stem; the first line has no sessionId."""
    t = Transcript("renamed", "2.1.119", "2026-05-05T05:05:05",
                   "C:\\Users\\Theo\\code\\brass-otter", "next", entrypoint="cli")
    t.last_uuid = t.names.uuid()
    t.snapshot()
    t.user("Polish the otter.")
    t.answer(OPUS, [text("Polished.")], [33], into=5, write_5m=700, read=100)
    return {f"{OTTER}/{session_id('another name')}.jsonl": t.data()}


@sample
def dated_prefix():
    """A session saved on two days: the earlier copy is a prefix of the later."""
    t = Transcript("grown", "2.1.30", "2026-02-03T22:10:00", "/home/mira/src/harbor", "quay")
    t.user("Count the boats.")
    t.answer(OPUS, [text("Counting."), t.tool("Bash", command="ls boats | wc -l")], [2, 2],
             into=8, write_5m=3300, read=900)
    t.result("41", {"stdout": "41", "stderr": "", "interrupted": False, "isImage": False})
    earlier = t.data()
    t.wait(9 * 3600)
    t.user("And the oars?")
    t.answer(OPUS, [text("Eighty-two.")], [6], into=3, write_5m=120, read=4200)
    return {f"{HARBOR}/2026-02-03-{t.session}.jsonl": earlier,
            f"{HARBOR}/2026-02-04-{t.session}.jsonl": t.data()}


@sample
def dated_apart():
    """A session saved on two days where neither copy is a prefix of the other: a line was redacted
    in between, the earlier copy ends in a line that the later does not have, and in the later one a
    response says more than it did."""
    t = Transcript("redacted", "2.1.33", "2026-02-10T10:00:00", "/home/mira/src/harbor", "quay")
    t.user("The mooring key is plaice-and-chips, use it.")
    ids = t.answer(OPUS, [text("Moored.")], [2], into=6, write_5m=2100, read=800)
    t.user("Thank you.")
    later = [line.replace(b"plaice-and-chips", b"[REDACTED]") for line in t.lines]
    t.queue("enqueue", content="never sent")
    earlier = t.data()
    t.lines = later
    t.answer(OPUS, [text("Moored, with both ropes.")], [17], *ids, into=6, write_5m=2100, read=800)
    t.answer(OPUS, [text("You are welcome.")], [5], into=2, write_5m=60, read=2900)
    return {f"{HARBOR}/2026-02-10-{t.session}.jsonl": earlier,
            f"{HARBOR}/2026-02-11-{t.session}.jsonl": t.data()}


# ---- Putting it together -------------------------------------------------------------------------

README = """\
# Sample transcripts

Claude Code transcripts with the oddities that real ones were seen to have. All of it is invented.
`tests/make_samples.py` makes this folder; edit that, not this. `expected.json` holds what a right
import of `claude` shows: counts of files and lines, and what is charged by kind, day (UTC), model
and session (a charge shows in the session that owns it). Paths are below `claude/projects`.

"""


def readme(made):
    parts = [README]
    for maker, files in made:
        words = textwrap.fill(" ".join(maker.__doc__.split()), 98, initial_indent="  ",
                              subsequent_indent="  ")
        parts.append("\n".join(f"- `{path}`" for path in files) + f"\n\n{words}\n\n")
    return "".join(parts).rstrip("\n").encode() + b"\n"


def write(folder):
    made = [(maker, maker()) for maker in SAMPLE_MAKERS]
    for _, files in made:
        for path, data in files.items():
            place = folder / "claude" / "projects" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    expected = report(Count(folder / "claude"))
    (folder / "expected.json").write_bytes(json.dumps(expected, indent=2).encode() + b"\n")
    (folder / "README.md").write_bytes(readme(made))
    (folder / ".gitattributes").write_bytes(
        b"# Bytes as they are: CRLF, NULs, no last newline.\n* -text\n")


def contents(folder):
    """What this program makes; the samples of hooks and telemetry beside it were written by hand."""
    made = [*(folder / "claude").rglob("*"), *folder.glob("*"), folder / ".gitattributes"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in made if path.is_file()}


def check():
    with tempfile.TemporaryDirectory() as scratch:
        write(pathlib.Path(scratch))
        want, have = contents(pathlib.Path(scratch)), contents(SAMPLES)
    wrong = sorted(path for path in want.keys() | have.keys() if want.get(path) != have.get(path))
    for path in wrong:
        print(f"tests/samples/{path}: not what tests/make_samples.py makes", file=sys.stderr)
    return 1 if wrong else 0


def main(arguments):
    if arguments == ["--check"]:
        return check()
    if len(arguments) == 2 and arguments[0] == "--count":
        json.dump(report(Count(pathlib.Path(arguments[1]))), sys.stdout, indent=2)
        print()
        return 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    shutil.rmtree(SAMPLES / "claude", ignore_errors=True)
    write(SAMPLES)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
