#!/usr/bin/env python3
"""Where a store lies, by the command: --alone and --shared; read-only media and stores that one may only read; containers with a
root of their own. What a machine does not permit (mounts, other users) is said and left out.

Environment: VARVE the command.
"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

VARVE = os.path.realpath(os.environ["VARVE"])
NOBODY = 65534


def may(*command):
    """Whether this machine lets us do that."""
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


MAY_MOUNT = may("unshare", "-m", "sh", "-c", "d=$(mktemp -d) && mount --bind $d $d && umount $d; e=$?; rmdir $d; exit $e")
MAY_CHROOT = MAY_MOUNT and may("unshare", "--pid", "--fork", "chroot", "/", "true")
IS_ROOT = os.geteuid() == 0
IS_STATIC = not may("ldd", VARVE)

WRITING = (["set", "s1", "--title", "t"], ["append", "EVENTS"], ["hook", "--strict"], ["import", "TRANSCRIPT"], ["rewind", "s1", "--to", "1"],
           ["delete", "s2"], ["fork", "s1", "s9"], ["compact"], ["gc", "--older-than", "1d"], ["forget", "s2"], ["reconcile"],
           ["reindex"], ["merge", "OTHER"])
READING = (["sessions"], ["show", "s1"], ["events"], ["events", "s1"], ["usage"], ["usage", "daily"], ["stats"], ["verify"],
           ["verify", "--deep"], ["export", "s1"], ["messages"], ["count", "sessions"], ["count", "events"])


class PlacesTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="varve-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.folder.chmod(0o755)
        self.store = self.folder / "store"
        self.prefix = []
        (self.folder / "events").write_text('{"session_id":"s3","event_type":"message","role":"user","text":"more"}\n')
        (self.folder / "transcript.jsonl").write_text(
            '{"type":"user","sessionId":"s4","uuid":"u1","timestamp":"2025-11-20T08:30:00Z","message":{"role":"user","content":"x"}}\n')

    def run_varve(self, *args, expect=0, stdin=None, **more):
        names = {"EVENTS": self.folder / "events", "TRANSCRIPT": self.folder / "transcript.jsonl", "OTHER": self.folder / "other"}
        command = [*self.prefix, VARVE, "--store", self.store, "--format", "jsonl", *(names.get(a, a) for a in args)]
        if args[0] == "hook" or args[:2] == ("--shared", "hook"):
            stdin = '{"session_id":"s5","hook_event_name":"Stop"}'
        run = subprocess.run(list(map(str, command)), capture_output=True, input=stdin, text=True, **more)
        self.assertEqual(run.returncode, expect, f"varve {args}: {run.stderr}")
        if expect:
            self.assertEqual(run.stderr.count("varve: "), 1, f"varve {args}: not one line: {run.stderr}")
            self.assertEqual(run.stderr.count("\n"), 1, f"varve {args}: not one line: {run.stderr}")
        return run

    def append(self, session, *texts, **more):
        lines = "".join(json.dumps({"session_id": session, "event_type": "message", "role": "user", "text": text}) + "\n" for text in texts)
        return self.run_varve("append", "--strict", stdin=lines, **more)

    def fill(self):
        self.append("s1", "one", "two", "three")
        self.append("s2", "four")
        self.run_varve("compact", "--all")
        self.append("s1", "five")
        shutil.copytree(self.store, self.folder / "other")

    def events(self):
        return [json.loads(line)["text"] for line in self.run_varve("events", "s1").stdout.splitlines()]

    def check_reading(self):
        for command in READING:
            self.run_varve(*command)
        self.assertEqual(self.events(), ["one", "two", "three", "five"])
        self.assertEqual(len(self.run_varve("sessions").stdout.splitlines()), 2)

    def check_no_writing(self, *words):
        for command in WRITING:
            said = self.run_varve(*command, expect=3).stderr
            self.assertTrue(said.startswith(f"varve: {self.store}"), said)
            self.assertTrue(any(word in said for word in words), said)

    def listing(self, of=None):
        """Names, sizes, modes and bytes of all files."""
        top = of or self.store
        return {str(p.relative_to(top)): (p.lstat().st_mode, p.read_bytes() if p.is_file() else b"") for p in top.rglob("*")}


class OptionsTest(PlacesTest):
    def test_a_directory_that_others_may_write_wants_shared(self):
        self.fill()
        self.store.chmod(0o770)
        before = self.listing()
        self.check_no_writing("other users may write to it (mode 0770)")
        self.check_reading()
        self.assertEqual(self.listing(), before)
        for number, command in enumerate(WRITING):
            self.run_varve(*(["--shared", *command] if number % 2 else [*command, "--shared"]))
        self.run_varve("verify", "--deep")
        self.store.chmod(0o700)
        self.run_varve("set", "s1", "--title", "t")

    def test_the_options_take_no_value_and_are_told(self):
        self.assertIn("--alone", subprocess.run([VARVE, "--help"], capture_output=True, text=True).stdout)
        self.assertIn("--shared", subprocess.run([VARVE, "--help"], capture_output=True, text=True).stdout)
        for wrong in ("--alone=yes", "--shared=", "--aloen"):
            run = subprocess.run([VARVE, "--store", self.store, "sessions", wrong], capture_output=True, text=True)
            self.assertEqual(run.returncode, 2, run.stderr)
        self.run_varve("set", "s1", "--create", "--alone", "--shared")
        self.run_varve("sessions", "--alone", "--shared")

    def test_a_hook_that_is_installed_keeps_them(self):
        for options in ([], ["--alone"], ["--shared"], ["--alone", "--shared"]):
            out = self.run_varve("hook", "install", "--print", *options).stdout
            command = json.loads(out)["hooks"]["Stop"][0]["hooks"][0]["command"]
            self.assertTrue(command.endswith(" ".join(["", *options, "hook"])), command)

    def test_a_hook_that_may_not_write_fails_nobody(self):
        self.fill()
        self.store.chmod(0o777)
        run = subprocess.run([VARVE, "--store", self.store, "hook"], capture_output=True, text=True,
                             input='{"session_id":"s5","hook_event_name":"Stop"}')
        self.assertEqual(run.returncode, 0)
        self.assertEqual(run.stderr.count("\n"), 1)
        self.assertIn("--shared", run.stderr)


class OtherUserTest(PlacesTest):
    def setUp(self):
        super().setUp()
        self.become(NOBODY)
        if not IS_ROOT or not may(*self.prefix, VARVE, "--version"):
            self.skipTest("other users cannot be played here")
        self.prefix = []

    def become(self, user, group=None):
        self.prefix = ["setpriv", f"--reuid={user}", f"--regid={group or user}", "--clear-groups", "env", "HOME=/nowhere"]

    def test_who_may_only_read_reads_everything(self):
        self.fill()
        subprocess.run(["chmod", "-R", "a=rX", self.store], check=True)
        before = self.listing()
        self.become(NOBODY)
        self.check_reading()
        self.check_no_writing(f"belongs to user 0, and this process is user {NOBODY}: writing is refused; run as that user")
        (self.folder / "out").mkdir(mode=0o777)
        (self.folder / "out").chmod(0o777)
        self.run_varve("snapshot", str(self.folder / "out/copy"))
        self.assertEqual(self.listing(), before)
        self.store = self.folder / "out/copy"
        self.assertEqual(self.events(), ["one", "two", "three", "five"])
        self.append("s1", "six")

    def test_the_owner_without_permission_to_write_reads_everything(self):
        self.store = self.folder / "own/store"
        (self.folder / "own").mkdir()
        os.chown(self.folder / "own", NOBODY, NOBODY)
        self.become(NOBODY)
        self.fill()
        subprocess.run(["chmod", "-R", "a=rX", self.store], check=True)
        before = self.listing()
        self.check_reading()
        self.check_no_writing("Permission denied")
        self.assertEqual(self.listing(), before)

    def test_without_a_page_to_believe_the_log_is_read(self):
        self.fill()
        (self.store / "CONTROL").unlink()
        shutil.rmtree(self.store / "idx")
        subprocess.run(["chmod", "-R", "a=rX", self.store], check=True)
        before = self.listing()
        self.become(NOBODY)
        self.check_reading()
        self.assertEqual(self.listing(), before)

    def test_users_of_a_group_share_a_store(self):
        self.store.mkdir()
        os.chown(self.store, 4001, 4000)
        self.store.chmod(0o2770)
        for round_, user in enumerate((4001, 4002, 4003, 4001, 4002)):
            self.become(user, 4000)
            said = self.append("s1", f"of {user}, {round_}", expect=3).stderr
            self.assertIn("--shared", said)
            for command in (["append"], ["set", "s2", "--create", "--title", str(user)], ["compact", "--all"], ["reindex"]):
                self.run_varve(*command, "--shared", stdin=json.dumps(
                    {"session_id": "s1", "event_type": "message", "role": "user", "text": f"{round_}"}))
        self.assertEqual(self.events(), ["0", "1", "2", "3", "4"])
        self.run_varve("verify", "--deep")
        self.become(4009, 4009)
        self.assertIn("Permission denied", self.run_varve("sessions", expect=3).stderr)

    def test_root_in_the_store_of_another_locks_nobody_out(self):
        self.store.mkdir()
        os.chown(self.store, NOBODY, NOBODY)
        self.store.chmod(0o700)
        self.append("s1", "root", expect=3)
        self.run_varve("append", "--shared", stdin='{"session_id":"s1","event_type":"message","role":"user","text":"root"}')
        self.become(NOBODY)
        self.append("s1", "owner")
        self.assertEqual(self.events(), ["root", "owner"])


class MountTest(PlacesTest):
    def setUp(self):
        super().setUp()
        if not MAY_MOUNT:
            self.skipTest("nothing can be mounted here")

    def test_a_read_only_medium_can_be_read(self):
        self.fill()
        before = self.listing()
        for keep in (True, False):
            if not keep:
                (self.store / "CONTROL").unlink()
                before = self.listing()
            self.prefix = ["unshare", "-m", "sh", "-ec", f"mount --bind {self.store} {self.store}; "
                           f"mount -o remount,bind,ro {self.store}; exec \"$@\"", "sh"]
            self.check_reading()
            self.check_no_writing("Read-only file system")
            self.run_varve("snapshot", str(self.folder / f"copy-{keep}"))
            self.prefix = []
            self.assertEqual(self.listing(), before)
            self.assertEqual(self.run_varve("--store", str(self.folder / f"copy-{keep}"), "events", "s1").stdout,
                             self.run_varve("events", "s1").stdout)

    def test_a_file_system_of_a_program_is_refused(self):
        """The real thing, if it is installed."""
        below = self.folder / "below"
        below.mkdir(mode=0o700)
        (self.folder / "far").mkdir()
        self.store = self.folder / "far/store"
        self.prefix = ["unshare", "-m", "sh", "-c", 'bindfs "$1" "$2" || exit 9; m=$2; shift 2; "$@"; e=$?; umount "$m"; exit $e',
                       "sh", below, self.folder / "far"]
        if not shutil.which("bindfs") or not may(*self.prefix, "true"):
            self.skipTest("no bindfs here")
        said = self.run_varve("set", "s1", "--create", expect=3).stderr
        self.assertIn("lies on fuse", said)
        self.assertIn("--alone", said)
        self.assertEqual(list(below.iterdir()), [])
        self.run_varve("set", "s1", "--create", "--title", "T", "--alone")
        self.run_varve("append", "--alone", "EVENTS")
        run = self.run_varve("show", "s1")
        self.assertIn("the log is read instead", run.stderr)
        self.assertEqual(json.loads(run.stdout)["title"], "T")
        self.assertEqual(self.run_varve("show", "s1", "--alone").stderr, "")
        self.run_varve("verify", "--deep")

    def test_programs_with_a_root_of_their_own_share_a_store(self):
        """One that has no /proc, and so no boot id, beside one that has."""
        if not MAY_CHROOT or not IS_STATIC:
            self.skipTest("no root of one's own here, or the command needs libraries")
        roots = [self.folder / "root-0", self.folder / "root-1"]
        self.append("s1", "outside")
        running = []
        with contextlib.ExitStack() as stack:
            for number, root in enumerate(roots):
                for name in ("store", "proc", "tmp", "dev"):
                    (root / name).mkdir(parents=True)
                shutil.copy(VARVE, root / "varve")
                proc = f"mount -t proc proc {root}/proc;" if number == 0 else ""
                body = (f"mount --bind {self.store} {root}/store; {proc} cd {root}; i=0; while [ $i -lt 12 ]; do for w in 1 2; do "
                        f"echo '{{\"session_id\":\"s1\",\"event_type\":\"message\",\"role\":\"user\",\"text\":\"'{number}-$w-$i'\"}}' | "
                        f"chroot {root} /varve --store /store append --strict >/dev/null & done; wait; i=$((i+1)); done")
                running.append(stack.enter_context(subprocess.Popen(
                    ["unshare", "-m", "--pid", "--fork", "bash", "-ec", body], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)))
            for i in range(6):
                self.append("s1", f"outside {i}")
            for process in running:
                said = process.communicate(timeout=120)[0]
                self.assertEqual(process.returncode, 0, said)
        want = ["outside"] + [f"outside {i}" for i in range(6)] + [f"{n}-{w}-{i}" for n in (0, 1) for w in (1, 2) for i in range(12)]
        self.assertEqual(sorted(self.events()), sorted(want))
        self.run_varve("verify", "--deep")


if __name__ == "__main__":
    unittest.main()
