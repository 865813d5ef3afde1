#!/usr/bin/env python3
"""The options by which `varve sessions`, `events`, `count` and `usage` choose and order, what they say to bad
values, and pages that stay whole while sessions are added.

Environment: VARVE the command.
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

VARVE = os.environ["VARVE"]


def run(store, *args, input=None, expect=0, form="jsonl"):
    command = [VARVE, "--store", str(store), "--format", form, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, input=input)
    if done.returncode != expect:
        raise AssertionError(f"varve {args}: exit {done.returncode}, not {expect}: {done.stderr}")
    return done


def rows(store, *args):
    return [json.loads(line) for line in run(store, *args).stdout.splitlines()]


def line(session, text, minute, kind="user", **more):
    """A line of a transcript."""
    content = {"role": kind, "content": text}
    if kind == "assistant":
        content.update(id=f"m-{session}-{text}", model=more.pop("model", "claude-opus-4-5-20251101"), content=[],
                       usage={"input_tokens": 10, "output_tokens": minute})
        more["requestId"] = f"r-{session}-{text}"
    return json.dumps({"type": kind, "sessionId": session, "uuid": f"{session}-{text}",
                       "timestamp": f"2025-11-20T08:{minute:02}:00Z", "message": content, **more})


class QueriesTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.store = self.folder / "store"

    def take(self, project, name, *lines):
        path = self.folder / "projects" / project / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(text + "\n" for text in lines))
        run(self.store, "import", path)

    def three(self):
        self.take("-p", "aaaa", line("aaaa", "q", 1, cwd="/p"), line("aaaa", "x", 30, "assistant", cwd="/p"))
        self.take("-p", "bbbb", line("bbbb", "q", 5, cwd="/p"), line("bbbb", "x", 10, "assistant", cwd="/p"))
        self.take("-q", "cccc", line("cccc", "q", 3, cwd="/q"),
                  line("cccc", "x", 20, "assistant", cwd="/q", model="claude-haiku-4-5-20251001"))
        run(self.store, "set", "aaaa", "--label", "run=1", "--label", "task=t")
        run(self.store, "set", "bbbb", "--label", "run=1")
        run(self.store, "set", "cccc", "--label", "run=2", "--status", "completed")

    def ids(self, *args):
        got = [row["session_id"] for row in rows(self.store, "sessions", *args)]
        if not {"--order", "--limit", "--offset"} & set(args):
            self.assertEqual(rows(self.store, "count", "sessions", *args), [{"count": len(got)}])
        return "".join(one[0] for one in got)

    def events(self, *args):
        return rows(self.store, "events", "--no-payload", *args)

    def test_sessions_by_what_is_asked_for(self):
        self.three()
        project = rows(self.store, "sessions")[0]["project"]
        for want, *args in (
                ("acb",), ("ab", "--project", project), ("ab", "--cwd", "/p"), ("", "--cwd", "/"),
                ("acb", "--framework", "claude_code"), ("", "--framework", "claude"),
                ("c", "--model", "claude-haiku-4-5-20251001"), ("", "--repo", "o/r"),
                ("", "--issue", 1), ("", "--pr", 1), ("", "--machine", "elsewhere"),
                ("ab", "--label", "run=1"), ("a", "--label", "run=1", "--label", "task"), ("", "--label", "ru"),
                ("c", "--status", "completed"), ("ac", "--limit", 2), ("c", "--offset", 1, "--limit", 1),
                ("acb", "--active"), ("bca", "--order", "start"), ("abc", "--order", "arrival"),
                ("ac", "--active-since", "2025-11-20T08:20:00Z"), ("a", "--active-since", "2025-11-20T08:20:00.001Z"),
                ("acb", "--active-since", "2025-11-20"), ("", "--active-since", "2025-11-21"),
                ("cb", "--started-after", "2025-11-20T08:03:00Z"), ("a", "--started-before", "2025-11-20T09:03:00+01:00"),
                ("", "--started-before", "2025-11-20"), ("acb", "--started-before", "2025-11-21")):
            self.assertEqual(self.ids(*args), want, args)
        run(self.store, "set", "aaaa", "--status", "completed")
        self.assertEqual(self.ids("--status", "completed"), "ac")
        self.assertEqual(self.ids("--status", "none", "--status", "completed"), "acb")
        costs = [row["total_cost_usd"] for row in rows(self.store, "sessions", "--order", "cost")]
        self.assertEqual(costs, sorted(costs, reverse=True))
        for model, want in (("mi6", "ab"), ("zeph", "ab"), ("mix-python", "ba"), ("mix-typescript", "ba")):
            got = rows(self.store, "sessions", "--as", model, "--label", "run=1")
            self.assertEqual("".join((row.get("session_id") or row["id"])[0] for row in got), want, model)

    def test_children_come_when_their_parent_is_asked_for(self):
        self.three()
        run(self.store, "set", "dddd", "--create", "--parent", "aaaa", "--session-type", "subagent")
        self.assertNotIn("d", self.ids())
        self.assertEqual(self.ids("--parent", "aaaa"), "d")
        self.assertEqual(self.ids("--parent", "bbbb"), "")
        self.assertIn("d", self.ids("--all"))
        run(self.store, "sessions", "--parent", "nobody", expect=3)

    def test_pages_stay_whole_while_sessions_are_added(self):
        for number in range(20):
            self.take("-p", f"s{number:02}", line(f"s{number:02}", "q", number % 3))
        for order in ("activity", "start", "arrival", "cost"):
            want = [row["session_id"] for row in rows(self.store, "sessions", "--order", order)
                    if row["session_id"].startswith("s")]
            got, after = [], []
            for page in range(40):
                *some, last = rows(self.store, "sessions", "--order", order, "--limit", 3, "--page", *after)
                self.assertLessEqual(len(some), 3)
                got += [row["session_id"] for row in some if row["session_id"].startswith("s")]
                self.assertEqual(list(last), ["next"])
                if last["next"] is None:
                    break
                self.assertEqual(len(some), 3)
                after = ["--after", last["next"]]
                if page < 5:
                    self.take("-p", f"n-{order}-{page}", line(f"n-{order}-{page}", "q", page % 3))
            self.assertEqual(got, want, order)
        page = run(self.store, "sessions", "--limit", 3, "--page", form="table")
        self.assertIn("--after activity:", page.stderr)
        self.assertNotIn("--after", run(self.store, "sessions", "--limit", 99, "--page", form="table").stderr)
        *some, last = rows(self.store, "sessions", "--limit", 3, "--page", "--as", "mi6")
        self.assertTrue(last["next"].startswith("activity:"))

    def test_events_by_what_is_asked_for(self):
        self.three()
        everything = self.events()
        self.assertEqual(len(everything), 6)
        lsn = everything[2]["lsn"]
        for want, *args in (
                (3, "--type", "user"), (6, "-t", "user", "-t", "assistant"), (0, "--type", "us"),
                (6, "--framework", "claude_code"), (0, "--framework", "x"), (6, "--source", "transcript"),
                (0, "--source", "hook"), (3, "--role", "assistant"), (0, "--api-requests", "only"),
                (6, "--api-requests", "none"), (0, "--permission-mode", "plan"), (3, "--after", lsn),
                (2, "--after-time", "2025-11-20T08:20:00Z"), (4, "--before-time", "2025-11-20T08:20:00Z"),
                (2, "aaaa"), (4, "aaaa", "cccc"), (1, "aaaa", "cccc", "--after-time", "2025-11-20T08:21:00Z")):
            self.assertEqual(len(self.events(*args)), want, args)
            self.assertEqual(rows(self.store, "count", "events", *args), [{"count": want}], args)
        self.assertEqual(self.events("--reverse"), everything[::-1])
        self.assertEqual(self.events("--reverse", "--limit", 2), everything[:3:-1])
        self.assertEqual(self.events("--reverse", "--from-lsn", lsn), everything[2::-1])
        self.assertEqual(self.events("--from-lsn", lsn), everything[2:])
        by_time = sorted(everything, key=lambda event: event["time"])
        self.assertEqual(self.events("--order", "time"), by_time)
        self.assertEqual(self.events("--order", "time", "--limit", 3), by_time[:3])
        self.assertEqual(self.events("--order", "time", "--reverse", "--limit", 3), by_time[:2:-1])
        self.assertEqual([event["seq"] for event in self.events("aaaa", "--from-seq", everything[1]["seq"])],
                         [everything[1]["seq"]])
        run(self.store, "rewind", "aaaa", "--to", everything[0]["seq"])
        self.assertEqual(self.events(), [everything[0]] + everything[2:])
        self.assertEqual(self.events("--hidden"), everything)

    def test_usage_by_label_and_project(self):
        self.three()
        subagent = line("aaaa", "sub", 7, "assistant", agentId="1", isSidechain=True, cwd="/elsewhere")
        self.take("-p/aaaa/subagents", "agent-1", subagent)
        self.assertEqual(len(rows(self.store, "sessions", "--parent", "aaaa")), 1)
        total = rows(self.store, "usage")[0]
        by_run = {row["value"]: row for row in rows(self.store, "usage", "label:run")}
        self.assertEqual({value: row["output_tokens"] for value, row in by_run.items()}, {"1": 47, "2": 20})
        self.assertEqual(by_run["1"]["label"], "run")
        for value, row in by_run.items():
            one = rows(self.store, "usage", "--label", f"run={value}")[0]
            self.assertEqual(one["total_tokens"], row["total_tokens"])
            self.assertEqual(one["cost_usd"], row["cost_usd"])
        by_task = {row["value"]: row["output_tokens"] for row in rows(self.store, "usage", "label:task")}
        self.assertEqual(by_task, {"t": 37, None: 30})
        by_project = rows(self.store, "usage", "project")
        self.assertEqual(sum(row["total_tokens"] for row in by_project), total["total_tokens"])
        self.assertEqual(sorted(row["output_tokens"] for row in by_project), [20, 47])
        for row in by_project:
            one = rows(self.store, "usage", "--project", row["project"])[0]
            self.assertEqual(one["total_tokens"], row["total_tokens"])
        self.assertEqual(rows(self.store, "usage", "--framework", "claude_code")[0], total)
        self.assertEqual(rows(self.store, "usage", "--framework", "x")[0]["total_tokens"], 0)
        got = rows(self.store, "usage", "label:run", "--label", "task=t")
        self.assertEqual([(row["value"], row["output_tokens"]) for row in got], [("1", 37)])
        self.assertIn("run", run(self.store, "usage", "label:run", form="table").stdout.split("\n")[0])

    def test_a_bad_value_gets_one_clear_line(self):
        self.three()
        for words in (
                "sessions --order newest", "sessions --limit x", "sessions --offset -1", "sessions --issue 0",
                "sessions --pr 2147483648", "sessions --label =x", "sessions --label", "sessions --active-since soon",
                "sessions --started-after 2025-13-01", "sessions --started-before 9999-01-01", "sessions --page",
                "sessions --after x", "sessions --after cost:1:2", "sessions --after activity:1",
                "sessions --after activity:01:2", "sessions --after activity:1:2x", "sessions --status a1 --status b2",
                "sessions --as mi7", "sessions --labels x=y", "sessions aaaa", "events --order seq",
                "events --source hooks", "events --role nobody", "events --api-requests all", "events --after x",
                "events --after-time x", "events --before-time x", "events --machine m", "events --from-seq 1",
                "events aaaa --from-lsn 1", "events --from-lsn 1 --after 1", "usage label", "usage label:",
                "usage projects", "usage --label =", "count", "count session", "count --limit 1",
                "count sessions --limit 1", "count sessions aaaa", "count events --reverse"):
            done = run(self.store, *words.split(), expect=2)
            lines = done.stderr.splitlines()
            self.assertEqual(done.stdout, "", words)
            self.assertTrue(lines[0].startswith("varve: "), words)
            self.assertTrue(len(lines) == 2 and lines[1].startswith("Try 'varve "), (words, lines))
        run(self.store, "sessions", "--after", "activity:1:99", expect=3)


if __name__ == "__main__":
    unittest.main()
