#!/usr/bin/env python3
"""What the manual promises: its pages say what --help says, word for word; --help names the options that the
parser takes, and no others; completions offer what the parser takes.

Environment: VARVE the command, BUILD the build tree.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

VARVE = os.environ["VARVE"]
BUILD = pathlib.Path(os.environ["BUILD"])


def global_options():
    """Name -> (letter, values) of the options that may stand anywhere."""
    return {line.split()[0]: tuple(line.split(None, 2)[1:]) for line in say("help", "--globals").splitlines()}


def say(*args, code=0):
    run = subprocess.run([VARVE, *args], capture_output=True, text=True)
    assert run.returncode == code, (args, run.returncode, run.stderr)
    return run.stdout


def commands():
    """Name -> operands."""
    return {line.split("\t")[0]: line.split("\t")[1].split() for line in say("help", "--list").splitlines()}


def parsers():
    """Each list of options that there is: its words, and name -> (letter, values)."""
    for name, operands in commands().items():
        known = set()
        for words in [[name]] + [[name, operand] for operand in operands if operand.islower()]:
            text = say(*words, "--help=options")
            if text not in known:
                known.add(text)
                yield words, {line.split()[0]: tuple(line.split(None, 2)[1:]) for line in text.splitlines()}


class ManualTest(unittest.TestCase):
    def page(self, name):
        return (BUILD / "man" / f"{name}.1").read_text()

    def words(self, text):
        return [word.strip(",:()") for word in text.lower().split()]

    def test_a_page_has_the_words_of_the_help_in_their_order(self):
        for name in [None, *commands()]:
            text = say(*([name] if name else []), "--help")
            text = re.sub(r"^(usage|example|exit codes):", "", text, flags=re.M)
            text = re.sub(r"^(options|commands),? ?(.*):$", r"\2", text, flags=re.M)
            page = self.page(f"varve-{name}" if name else "varve")
            body = page[page.index(".SH SYNOPSIS"):min(page.find(f".SH {end}") % (1 << 40) for end in ("ENVIRONMENT", "SEE ALSO"))]
            lines = []
            for line in body.splitlines():
                if line.startswith((".SS ", ".B ")):
                    lines.append(line.split(None, 1)[1].strip('"'))
                elif not line.startswith("."):
                    lines.append(line)
            plain = "\n".join(lines).replace("\\-", "-").replace("\\(dq", '"').replace("\\&", "").replace("\\e", "\\")
            self.assertEqual([w for w in self.words(plain) if w], [w for w in self.words(text) if w], name)

    @unittest.skipUnless(shutil.which("groff"), "groff is not here")
    def test_pages_are_set_without_a_warning(self):
        pages = sorted(str(page) for page in (BUILD / "man").iterdir())
        self.assertGreater(len(pages), 20)
        for page in pages:
            run = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True)
            self.assertEqual((run.returncode, run.stderr), (0, ""), page)

    def test_help_names_the_options_of_the_parser_and_no_others(self):
        of_command = {}
        for words, options in parsers():
            known = of_command.setdefault(words[0], {})
            known.update(options)
        anywhere = set(global_options())
        self.assertEqual(set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", say("--help"))), anywhere)
        for name, options in of_command.items():
            text = say(name, "--help")
            examples = text.index("example:")
            # what an example gives to another command is not this one's
            said = set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", text[:examples]))
            said |= {word for line in text[examples:].splitlines() if f"varve {name}" in line and "|" not in line
                     for word in re.findall(r"(?<![\w-])--([a-z][a-z-]*)", line.split("&&")[0])}
            foreign = {"sessions": {"next"}, "export": {"as", "at-message", "to-message"}, "hook": {"print"}}.get(name, set())
            self.assertEqual(said - set(options) - anywhere - foreign, set(), name)
            self.assertEqual(set(options) - said - {"help"}, set(), f"{name} --help leaves options out")
            for option, (letter, _) in options.items():
                if letter != "-" and option != "help":
                    self.assertRegex(text, rf"(?<![\w-])-{letter}\b", f"{name} --{option}")

    def test_values_that_are_offered_are_taken(self):
        store = "/dev/null" # no store can be made below it
        for words, options in [(["sessions"], {name: of for name, of in global_options().items() if name not in ("help", "version")}),
                               *parsers()]:
            for option, (letter, values) in options.items():
                if values == "-" and option != "help":
                    run = subprocess.run([VARVE, "--store", f"{store}/none", *words, f"--{option}"], capture_output=True, text=True,
                                         stdin=subprocess.DEVNULL)
                    self.assertNotIn("unknown option", run.stderr, (words, option))
                for value in values.split() if re.fullmatch(r"[a-z0-9 -]*[a-z][a-z0-9 -]*", values) else []:
                    # no store: 3 says that the words were understood
                    run = subprocess.run([VARVE, "--store", f"{store}/none", *words, f"--{option}={value}",
                                          *(["x"] if words[0] in ("show", "set", "import") else [])],
                                         capture_output=True, text=True, stdin=subprocess.DEVNULL)
                    self.assertNotIn("wants", run.stderr.splitlines()[0] if run.stderr and run.returncode == 2 else "")
                    self.assertNotEqual(run.returncode, 2, f"{words} --{option} {value}: {run.stderr}")


# Completes LINE in bash as the shell would, and prints what is offered.
BASH = r"""
source "$1"
COMP_WORDS=("${@:2}")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_varve
printf '%s\n' "${COMPREPLY[@]}"
"""


class CompletionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        lines = ('{"session_id": "blue", "event_type": "Stop"}\n{"session_id": "green", "event_type": "Stop"}\n')
        subprocess.run([VARVE, "--store", str(cls.folder / "store"), "append"], input=lines, text=True, check=True,
                       stdout=subprocess.DEVNULL)
        (cls.folder / "file.jsonl").write_text("")
        (cls.folder / "folder").mkdir()
        cls.env = {**os.environ, "PATH": f"{pathlib.Path(VARVE).parent}:{os.environ['PATH']}",
                   "VARVE_STORE": str(cls.folder / "store"), "HOME": str(cls.folder)}

    def run_shell(self, *args):
        run = subprocess.run(args, capture_output=True, text=True, env=self.env, cwd=self.folder,
                             stdin=subprocess.DEVNULL)
        self.assertEqual((run.returncode, run.stderr), (0, ""), args[-3:])
        return set(run.stdout.split("\n")) - {""}

    def in_bash(self, *words):
        return self.run_shell("bash", "-c", BASH, "bash", str(BUILD / "completions" / "varve.bash"), "varve", *words)

    def in_fish(self, *words):
        line = " ".join(["varve", *words])
        script = f"source {BUILD}/completions/varve.fish; complete -C '{line}'"
        return {offer.split("\t")[0] for offer in self.run_shell("fish", "-N", "-c", script)}

    def check(self, complete, letters):
        self.assertLessEqual(set(commands()), complete(""))
        self.assertEqual(complete("sess"), {"sessions"})
        for words, options in parsers():
            offered = {word for word in complete(*words, "--") if word.startswith("--")}
            anywhere = {f"--{name}" for name in global_options() if name not in ("help", "version")}
            self.assertEqual(offered - {"--version"}, {f"--{option}" for option in options} | anywhere, words)
            for option, (letter, values) in options.items():
                names = [f"--{option}"] + ([f"-{letter}"] if letter != "-" and letters else [])
                if re.fullmatch(r"[a-z0-9 -]*[a-z][a-z0-9 -]*", values):
                    for name in names:
                        self.assertEqual(complete(*words, name, ""), set(values.split()), (words, name))
                elif values == "SESSION":
                    self.assertEqual(complete(*words, f"--{option}", ""), {"blue", "green"}, (words, option))
        self.assertEqual(complete("show", ""), {"blue", "green"})
        self.assertEqual(complete("--format", "jsonl", "show", "b"), {"blue"})
        self.assertEqual(complete("--format", ""), {"table", "jsonl", "csv"})
        self.assertEqual(complete("count", "s"), {"sessions"})
        self.assertEqual(complete("import", "f"), {"file.jsonl", "folder"} if letters else {"file.jsonl", "folder/"})
        self.assertEqual({word.rstrip("/") for word in complete("snapshot", "f")}, {"folder"})

    def test_bash_offers_what_the_parser_takes(self):
        self.check(self.in_bash, True)
        self.assertEqual(self.in_bash("sessions", "--order", "="), {"activity", "start", "cost", "arrival"})
        self.assertEqual(self.in_bash("sessions", "--order", "=", "st"), {"start"})
        self.assertEqual(self.in_bash("--store", f"{self.folder}/none", "show", ""), set())

    @unittest.skipUnless(shutil.which("fish"), "fish is not here")
    def test_fish_offers_what_the_parser_takes(self):
        self.check(self.in_fish, False)

    def test_zsh_has_each_option_and_is_well_formed(self):
        script = (BUILD / "completions" / "varve.zsh").read_text()
        for words, options in parsers():
            line = next(line for line in script.splitlines() if line.lstrip().startswith(f'"{" ".join(words)} "'))
            self.assertEqual(set(re.findall(r"'\*--([a-z-]+)", line)), set(options), words)
        line = next(line for line in script.splitlines() if line.lstrip().startswith("globals="))
        self.assertEqual(set(re.findall(r"'--([a-z-]+)", line)), set(global_options()) - {"help", "version"})
        if shutil.which("zsh"):
            self.run_shell("zsh", "-n", str(BUILD / "completions" / "varve.zsh"))


if __name__ == "__main__":
    unittest.main()
