"""What the tests of the views share: running the command, and the two stores that they look at.

Environment: VARVE the command, SAMPLES the folder of samples.
"""
import decimal
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

VARVE = pathlib.Path(os.environ["VARVE"]).resolve()
SAMPLES = pathlib.Path(os.environ["SAMPLES"])
ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ("mix-python-1", "mix-python", "mix-typescript", "mi6", "zeph")
MIX = MODELS[:3]


def run(store, *args):
    command = [str(VARVE), "--store", str(store), *map(str, args)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"varve {args}: exit {done.returncode}: {done.stderr.decode()}")
    return done.stdout.decode()


def rows(store, *args):
    """One object a line. A number with a point or an exponent is a Decimal: whole ones are int."""
    return [json.loads(line, parse_float=decimal.Decimal)
            for line in run(store, *args).splitlines()]


def import_samples(store, data=SAMPLES / "claude" / "projects"):
    run(store, "import", data)


def generate(store):
    """Every optional field there and absent: tests/support/view_store.c makes the store."""
    program = os.environ.get("SESSION_VIEWS") or str(VARVE.parent / "tests" / "test_session_views")
    subprocess.run([program, str(store)], check=True)


class ViewTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.samples, cls.generated = cls.folder / "samples", cls.folder / "generated"
        import_samples(cls.samples)
        generate(cls.generated)
        cls.stores = (cls.samples, cls.generated)


def module(name):
    """A module that a package brings; the test ends with one line if it is not there."""
    try:
        return __import__(name)
    except ImportError:
        sys.exit(f"no Python module {name}: install python3-{name} (Debian) or run tools/setup.sh")
