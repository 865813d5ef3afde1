#!/usr/bin/env python3
"""Every field of the five session models has its place, in what --as prints and in docs/MODELS.md:
with the type that its model says, required or optional, and none too many. Values are mapped as
docs/MODELS.md says.

Environment: VARVE the command, SAMPLES the folder of samples.
"""
import decimal
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support.views import MIX, MODELS, ROOT, ViewTest, rows, run

# As the models' own reference pages list them; "?" behind a type is an optional field.
FIELDS = {
    "mix-python-1": """
        assistant_message_count int, completion_tokens int, cost float, created_at time,
        first_user_message str?, id str, prompt_tokens int, title str, tool_call_count int,
        user_message_count int, working_directory str?""",
    "mix-python": """
        assistant_message_count int, callbacks array?, completion_tokens int, cost float,
        created_at time, first_user_message str?, id str, parent_session_id str?,
        parent_tool_call_id str?, prompt_tokens int, session_type enum, subagent_type enum?,
        title str, tool_call_count int, user_message_count int""",
    "mix-typescript": """
        assistantMessageCount number, completionTokens number, cost number, createdAt Date,
        firstUserMessage string?, id string, parentSessionId string?, parentToolCallId string?,
        promptTokens number, sessionType enum, subagentType enum?, title string,
        toolCallCount number, userMessageCount number""",
    "mi6": """
        session_id str, machine_id str, framework str?, first_started_at time,
        last_started_at time, first_ended_at time?, last_ended_at time?, last_activity time,
        revival_count u32, status enum?, status_updated_at time?, pid i32?,
        process_start_time i64?, cwd str?, local_git_dir str?, git_branch str?,
        git_worktree_path str?, github_repo str?, github_issue i32?, github_pr i32?,
        git_additions i32?, git_deletions i32?, first_user_message str?, last_user_message str?,
        model str?, compaction_count u32, message_count u32, tool_call_count u32,
        api_request_count u32, api_error_count u32, tokens_input i64, tokens_output i64,
        tokens_cache_read i64, tokens_cache_write i64, cost_usd f64?, context i64?,
        n_hook_events u32, n_otel_events u32, transcript_available bool, transcript_path str?""",
    "zeph": """
        id str, kind enum, status enum, channel enum, model str, created_at time,
        last_active_at time, turns u32, prompt_tokens u64, completion_tokens u64,
        reasoning_tokens u64, cost_cents f64, goal_text str?""",
}
COUNT = {"mix-python-1": 11, "mix-python": 15, "mix-typescript": 14, "mi6": 40, "zeph": 13}
CLASSES = {"additive", "gauge", "set once", "last wins", "min time", "max time", "derived"}
NUMBERS = (int, decimal.Decimal)
KINDS = {"int": int, "u32": int, "i32": int, "i64": int, "u64": int, "float": NUMBERS,
         "f64": NUMBERS, "number": NUMBERS, "str": str, "string": str, "time": str, "Date": str,
         "enum": str, "array": list, "bool": bool}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ORDER = {"mix-python-1": "created_at", "mix-python": "created_at", "mix-typescript": "createdAt",
         "mi6": "last_activity", "zeph": "last_active_at"}


def fields(model):
    """name -> (type, required)"""
    pairs = [entry.split() for entry in FIELDS[model].split(",")]
    return {name: (kind.rstrip("?"), not kind.endswith("?")) for name, kind in pairs}


def id_of(row):
    return row["id"] if "id" in row else row["session_id"]


def by_id(store, model):
    return {id_of(row): row for row in rows(store, "sessions", "--as", model, "--all")}


def table(begin):
    """Rows of the first table at or behind the line of docs/MODELS.md that begins so."""
    text = (ROOT / "docs" / "MODELS.md").read_text(encoding="utf-8")
    lines = text[text.index("\n" + begin) + 1:].splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("|---")) + 1
    found = []
    while at < len(lines) and lines[at].startswith("|"):
        found.append([cell.strip().strip("`") for cell in lines[at].strip("|").split("|")])
        at += 1
    return found


class FieldsTest(ViewTest):
    def check_value(self, model, name, kind, value):
        where = f"{model} {name}: {value!r}"
        self.assertIsInstance(value, KINDS[kind], where)
        self.assertEqual(isinstance(value, bool), kind == "bool", where)
        if kind in ("time", "Date"):
            self.assertTrue(TIME.fullmatch(value), where)
        if kind == "number" and name != "cost":
            self.assertIsInstance(value, int, where)

    def test_every_view_has_the_fields_of_its_model_and_no_others(self):
        for model in MODELS:
            want = fields(model)
            self.assertEqual(len(want), COUNT[model])
            absent, there = set(), set()
            for store in self.stores:
                for row in rows(store, "sessions", "--as", model, "--all"):
                    self.assertLessEqual(set(row), set(want), model)
                    for name, (kind, required) in want.items():
                        if name not in row if model in MIX else row[name] is None:
                            self.assertFalse(required, f"{model} {name}")
                            absent.add(name)
                        else:
                            self.check_value(model, name, kind, row[name])
                            there.add(name)
            self.assertEqual(there, set(want), f"{model}: each field is there somewhere")
            self.assertEqual(absent, {name for name in want if not want[name][1]},
                             f"{model}: each optional field is absent somewhere")

    def test_the_documentation_has_a_row_for_every_field_and_no_others(self):
        for model in MODELS:
            found = {}
            for name, kind, need, record, how, truth in table(f"## {model}\n"):
                self.assertNotIn(name, found, model)
                self.assertIn(need, ("required", "optional"), name)
                self.assertIn(how, CLASSES, name)
                self.assertTrue(record and truth, name)
                found[name] = (kind, need == "required")
            self.assertEqual(found, fields(model), model)

    def test_show_gives_the_same_as_the_list_and_as_json_in_any_format(self):
        for store in self.stores:
            for model in MODELS:
                listed = run(store, "--format", "jsonl", "sessions", "--as", model, "--all")
                self.assertEqual(run(store, "sessions", "--as", model, "--all"), listed)
                for line in listed.splitlines()[::7]:
                    name = re.search(r'"(?:session_)?id":"([^"]*)"', line).group(1)
                    self.assertEqual(run(store, "show", name, "--as", model), line + "\n")

    def test_lists_hide_subagents_and_stubs_and_begin_with_the_newest(self):
        for store in self.stores:
            own = {id_of(row) for row in rows(store, "--format", "jsonl", "sessions")}
            every = {id_of(row) for row in rows(store, "--format", "jsonl", "sessions", "--all")}
            stubs = {name for name in every
                     if rows(store, "--format", "jsonl", "show", name)[0]["is_stub"]}
            self.assertTrue(own and every - own and stubs)
            for model in MODELS:
                listed = rows(store, "sessions", "--as", model)
                self.assertEqual({id_of(row) for row in listed}, own)
                times = [row[ORDER[model]].rstrip("Z").ljust(29, "0") for row in listed]
                self.assertEqual(times, sorted(times, reverse=True), model)
                listed = rows(store, "sessions", "--as", model, "--all")
                self.assertEqual({id_of(row) for row in listed}, every - stubs)
                few = rows(store, "sessions", "--as", model, "--limit", 2, "--all")
                self.assertEqual(few, listed[:2])

    def test_cost_is_one_integer_in_all_views_and_mix_adds_the_children(self):
        for store in self.stores:
            own = {name: decimal.Decimal(row["cost_usd"] or 0)
                   for name, row in by_id(store, "mi6").items()}
            mix, zeph = by_id(store, "mix-python"), by_id(store, "zeph")
            total = dict(own)
            for name in own:
                above = mix[name].get("parent_session_id")
                while above in mix:
                    total[above] += own[name]
                    above = mix[above].get("parent_session_id")
            self.assertNotEqual(len(set(total.values())), 1)
            for name in own:
                self.assertEqual(mix[name]["cost"], total[name], name)
                self.assertEqual(zeph[name]["cost_cents"], 100 * own[name], name)


class MappingTest(ViewTest):
    def check(self, title, kind, field, columns):
        """Each row of the table holds for the generated sessions <kind>-<number>-alone, -child."""
        rules = {}
        for said, *given in table(title):
            for name in said.split(" (")[0].split(", "):
                rules[name] = given
        views = [(by_id(self.generated, model), key) for model, key in columns]
        met = set()
        for name in [name for name in views[0][0] if re.fullmatch(rf"{kind}-\d+-\w+", name)]:
            said = rows(self.generated, "--format", "jsonl", "show", name)[0][field]
            rule = said if said in rules else "any other name" if said else "none said"
            met.add(rule)
            for column, (view, key) in enumerate(views):
                want = rules[rule][column]
                if " if it has a parent, else " in want:
                    want = re.split(" if it has a parent, else ", want)[name.endswith("-alone")]
                want = {"the same": said, "null": None}.get(want, want)
                self.assertEqual(view[name][key], want, f"{name}: {said}")
        self.assertEqual(met, set(rules))

    def test_statuses(self):
        self.check("| status in the store", "status", "status",
                   [("mi6", "status"), ("zeph", "status")])

    def test_session_types(self):
        self.check("| session type in the store", "type", "session_type",
                   [("mix-python", "session_type")])

    def test_subagent_types_are_those_of_subagents_and_all_the_one_that_mix_knows(self):
        mix = by_id(self.generated, "mix-python")
        self.assertEqual(mix["all-0"]["subagent_type"], "general-purpose")
        self.assertNotIn("subagent_type", mix["only-11"])
        self.assertNotIn("parent_tool_call_id", mix["only-10"])
        said = rows(self.generated, "--format", "jsonl", "show", "all-0")[0]["subagent_type"]
        self.assertEqual(said, "Explore")

    def test_kinds_and_channels(self):
        zeph = by_id(self.generated, "zeph")
        kinds = ("interactive", "interactive", "autonomous", "acp", "interactive")
        channels = ("cli", "cli", "tui", "telegram", "discord", "slack", "acp", "cli")
        for number, kind in enumerate(kinds):
            self.assertEqual(zeph[f"mode-{number}-alone"]["kind"], kind)
        for number, channel in enumerate(channels):
            self.assertEqual(zeph[f"channel-{number}-alone"]["channel"], channel)
        self.assertEqual(zeph["mode-3-alone"]["channel"], "acp")
        goals = [row["kind"] for name, row in zeph.items()
                 if name.startswith("only-") and row["goal_text"]]
        self.assertEqual(goals, ["autonomous"])

    def test_an_end_takes_the_pid_away(self):
        mi6 = by_id(self.generated, "mi6")
        ended = [name for name, row in mi6.items() if row["last_ended_at"]]
        self.assertTrue(ended)
        self.assertEqual({mi6[name]["pid"] for name in ended}, {None})
        self.assertTrue([name for name in mi6 if name not in ended and mi6[name]["pid"]])

    def test_callbacks_are_objects_with_names_in_snake_case_and_without_null(self):
        mix = by_id(self.generated, "mix-python")
        self.assertEqual(mix["all-0"]["callbacks"], [
            {"tool_name": "*", "type": "bash_script", "bash_command": "x", "bash_timeout": 10,
             "include_full_history": True}])
        self.assertEqual(mix["callbacks-0"]["callbacks"], [])
        for number in range(1, 8):  # no array of objects
            self.assertNotIn("callbacks", mix[f"callbacks-{number}"])
        self.assertEqual(mix["callbacks-8"]["callbacks"], [
            {"tool_name": "A", "type": "sub_agent", "sub_agent_type": "\u00e9"}])

    def test_a_model_that_is_not_known_is_wrong_usage(self):
        for args in (("sessions", "--as", "mi7"), ("show", "all-0", "--as", "")):
            with self.assertRaisesRegex(AssertionError, "exit 2"):
                run(self.generated, *args)


if __name__ == "__main__":
    unittest.main()
