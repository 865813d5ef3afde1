#!/usr/bin/env python3
"""Every C example of README, of docs/ and of the manual, copied into an empty file, compiles outside against what is
installed, and prints what stands below it. The first one of README is examples/backend.c.

Environment: BUILD the build tree, CMAKE, CC, VARVE.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

if os.environ.get("SANITIZE"):
    print("skipped: a library built for a sanitizer is not to be installed")
    sys.exit(77)
ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ["BUILD"])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def markdown_examples(path):
    """Each block of C, and the block of text that follows it, or None."""
    blocks = FENCE.findall(path.read_text())
    for at, (kind, text) in enumerate(blocks):
        if kind == "c":
            following = blocks[at + 1] if at + 1 < len(blocks) else ("", "")
            yield text, following[1] if following[0] == "text" else None


def manual_examples(path):
    text = path.read_text()
    blocks = [block.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")
              for block in re.findall(r"^\.EX\n(.*?)^\.EE$", text, re.M | re.S)]
    for at, block in enumerate(blocks):
        if "#include" in block:
            yield block, blocks[at + 1]


class ReadmeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        subprocess.run([os.environ["CMAKE"], "--install", BUILD, "--prefix", cls.folder / "prefix"], check=True,
                       stdout=subprocess.DEVNULL)
        cls.pc = next((cls.folder / "prefix").rglob("varve.pc")).parent
        cls.env = {**os.environ, "PKG_CONFIG_PATH": str(cls.pc), "LD_LIBRARY_PATH": str(cls.pc.parent)}

    def examples(self):
        for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
            for text, wanted in markdown_examples(path):
                yield path.name, text, wanted
        for path in sorted((BUILD / "man").iterdir()):
            for text, wanted in manual_examples(path):
                yield path.name, text, wanted

    def run_in(self, place, *args):
        run = subprocess.run(args, capture_output=True, text=True, env=self.env, cwd=place)
        self.assertEqual(run.returncode, 0, f"{args}: {run.stdout}{run.stderr}")
        return run.stdout

    def test_every_example_compiles_and_prints_what_is_said(self):
        seen = set()
        for number, (name, text, wanted) in enumerate(self.examples()):
            place = self.folder / str(number)
            place.mkdir()
            (place / "example.c").write_text(text)
            flags = self.run_in(place, "pkg-config", "--cflags", "--libs", "varve").split()
            self.run_in(place, os.environ["CC"], "-Wall", "-Wextra", "-Werror", "-o", "example", "example.c", *flags)
            said = self.run_in(place, "./example")
            self.assertIsNotNone(wanted, f"{name}: an example without what it prints")
            self.assertEqual(said, wanted, name)
            seen.add(name)
        self.assertLessEqual({"README.md", "varve.3"}, seen)

    def test_the_first_example_is_that_of_the_examples(self):
        first = next(markdown_examples(ROOT / "README.md"))[0]
        self.assertEqual(first, (ROOT / "examples" / "backend.c").read_text())

    def test_the_build_file_of_the_readme_builds_it(self):
        place = self.folder / "cmake"
        place.mkdir()
        build_file = next(text for kind, text in FENCE.findall((ROOT / "README.md").read_text()) if kind == "cmake")
        self.assertLess(len(build_file.splitlines()), 10)
        (place / "CMakeLists.txt").write_text(build_file)
        text, wanted = next(markdown_examples(ROOT / "README.md"))
        (place / "example.c").write_text(text)
        cmake = os.environ["CMAKE"]
        self.run_in(place, cmake, "-B", "build", f"-DCMAKE_PREFIX_PATH={self.folder}/prefix",
                    f"-DCMAKE_C_COMPILER={os.environ['CC']}")
        self.run_in(place, cmake, "--build", "build")
        self.assertEqual(self.run_in(place, "build/example"), wanted)

    def test_commands_and_options_that_are_named_exist(self):
        text = (ROOT / "README.md").read_text()
        known = {line.split("\t")[0] for line in self.run_in(".", os.environ["VARVE"], "help", "--list").splitlines()}
        table = text[text.index("| command | does |"):]
        named = set(re.findall(r"`([a-z]+)[ `\[]", "\n".join(re.findall(r"^\| (.*?) \|", table, re.M))))
        self.assertLessEqual(known - named, set(), "commands that README leaves out")
        for line in re.findall(r"^(?:build/release/)?varve .*$", text, re.M):
            command = next(word for word in re.sub(r"--(store|format) \S+", "", line).split()[1:] if word[0] != "-")
            self.assertIn(command, known, line)


if __name__ == "__main__":
    unittest.main()
