#!/usr/bin/env python3
"""What --as prints holds the JSON Schema of its model (tests/schemas), on imported samples and on
generated sessions with every optional field there and absent; and the schemas are strict.

Environment: VARVE the command, SAMPLES the folder of samples.
"""
import copy
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support.views import MIX, MODELS, ViewTest, module, rows

jsonschema = module("jsonschema")
SCHEMAS = pathlib.Path(__file__).resolve().parent / "schemas"


def validator(model):
    schema = json.loads((SCHEMAS / f"{model}.json").read_text(encoding="utf-8"))
    kind = jsonschema.Draft202012Validator
    kind.check_schema(schema)
    return kind(schema, format_checker=jsonschema.FormatChecker())


class SchemaTest(ViewTest):
    def views(self, model):
        for store in self.stores:
            yield from rows(store, "sessions", "--as", model, "--all")

    def test_every_view_of_every_session_holds_its_schema(self):
        for model in MODELS:
            check = validator(model)
            for row in self.views(model):
                for error in check.iter_errors(row):
                    self.fail(f"{model} {list(error.absolute_path)}: {error.message}")

    def test_each_value_of_each_enum_is_met(self):
        for model in MODELS:
            for name, field in validator(model).schema["properties"].items():
                if "enum" in field:
                    met = {row[name] for row in self.views(model) if name in row}
                    self.assertEqual(met, set(field["enum"]), f"{model} {name}")

    def spoiled(self, model, row, properties):
        """What no client of the model would take."""
        yield "one more", {**row, "something": 1}
        for name, value in row.items():
            field = properties[name]
            kind = field.get("type", "string")
            needed = name in validator(model).schema["required"]
            if needed:
                yield f"no {name}", {k: v for k, v in row.items() if k != name}
            if needed and kind not in (["string", "null"],) and model in MIX:
                yield f"null {name}", {**row, name: None}
            if "enum" in field:
                yield f"another {name}", {**row, name: "else"}
            if "integer" in kind:
                yield f"a broken {name}", {**row, name: 1.5}
                yield f"a huge {name}", {**row, name: 1 << 64 if "maximum" in field else -1}
            if "number" in kind or "integer" in kind or kind == "boolean":
                yield f"text as {name}", {**row, name: "1"}
            if "format" in field and value:
                for time in ("2025-11-20T08:30:00", "2025-11-20 08:30:00Z", "today", 0):
                    yield f"{name} {time}", {**row, name: time}

    def test_the_schemas_refuse_what_a_strict_client_would(self):
        for model in MODELS:
            check = validator(model)
            whole = next(row for row in self.views(model) if "all-0" in row.values())
            self.assertTrue(check.is_valid(whole))
            for what, row in self.spoiled(model, whole, check.schema["properties"]):
                self.assertFalse(check.is_valid(row), f"{model}: {what}")
        python = validator("mix-python")
        whole = next(row for row in self.views("mix-python") if row["id"] == "all-0")
        for change in ({"type": "other"}, {"toolName": "x"}, {"bash_timeout": 1.5}, {"name": None}):
            row = copy.deepcopy(whole)
            row["callbacks"][0].update(change)
            self.assertFalse(python.is_valid(row), change)


if __name__ == "__main__":
    unittest.main()
