#!/usr/bin/env python3
"""The command line against a real hub, real sandboxes and the real ssh: what a user does, from create to delete."""

import fcntl
import hashlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import PATIENCE_S, SLIPWAY, Hub  # noqa: E402

LARGE = 8 << 20  # bytes: more than any buffer or window on the way


class Terminal:
    """A program on a pseudo terminal, driven like a person would."""

    def __init__(self, command, rows=24, columns=80, environment=None):
        self.process = None
        self.master, slave = os.openpty()
        self.resize(rows, columns)
        self.saved_mode = termios.tcgetattr(slave)
        self.seen = b""

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=slave, stdout=slave, stderr=slave, preexec_fn=take_terminal,
            env=environment, close_fds=True)
        self.slave = slave  # kept open to look at its mode afterwards

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if self.process:
            self.process.send_signal(signal.SIGWINCH)

    def type(self, text):
        os.write(self.master, text.encode())

    def read_until(self, pattern):
        """Everything up to the match of `pattern`, which is taken away."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            match = re.search(pattern.encode(), self.seen)
            if match:
                self.seen = self.seen[match.end():]
                return match
            ready, _, _ = select.select([self.master], [], [], 0.2)
            if ready:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    break
        raise AssertionError(f"waited for {pattern!r}, saw {self.seen[-2000:]!r}")

    def wait(self):
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < deadline:
            ready, _, _ = select.select([self.master], [], [], 0.05)
            if ready:
                self.seen += os.read(self.master, 65536)
        return self.process.wait(1)

    def mode(self):
        return termios.tcgetattr(self.slave)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


hub = None
folder = None
environment = None


def setUpModule():
    global hub, folder, environment
    folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-cli-"))
    unittest.addModuleCleanup(shutil.rmtree, folder, ignore_errors=True)
    (folder / "home").mkdir()
    hub = unittest.enterModuleContext(Hub())
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY") and k != "XDG_CONFIG_HOME"}
    environment.update(HOME=str(folder / "home"), SLIPWAY_DATA=str(hub.data), TERM="xterm-256color")
    environment.pop("SSH_AUTH_SOCK", None)


def slipway(*words, **options):
    options.setdefault("text", True)
    return subprocess.run([SLIPWAY, *map(str, words)], capture_output=True, env=environment, timeout=PATIENCE_S * 2,
                          **options)


def on_terminal(*words, **options):
    return Terminal([SLIPWAY, *words], environment=environment, **options)


class CommandLineTest(unittest.TestCase):
    maxDiff = None

    def ok(self, *words, **options):
        done = slipway(*words, **options)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout!r} {done.stderr!r}")
        return done

    def fails(self, code, *words, **options):
        done = slipway(*words, **options)
        self.assertEqual(done.returncode, code, f"{words}: {done.stdout!r} {done.stderr!r}")
        return done


class LifeOfAWorkspace(CommandLineTest):
    def test_create_shows_steps_and_the_rest_of_its_life(self):
        created = self.ok("workspace", "create", "life", "--machine-type", "small", "--env", "GREETING=hello there")
        self.assertRegex(created.stderr, r"(?m)^[\w-]+: completed")
        self.assertIn("slipway ssh life", created.stdout)
        self.assertIn("life", self.ok("workspace", "list").stdout)
        shown = json.loads(self.ok("workspace", "show", "life", "-o", "json").stdout)
        self.assertEqual(shown["status"], "READY")
        self.assertNotIn("hello there", json.dumps(shown))
        self.assertEqual(self.ok("exec", "life", "--", "printenv", "GREETING").stdout, "hello there\n")

        self.fails(4, "workspace", "create", "life")
        self.fails(2, "workspace", "create", "No_Name")
        self.fails(3, "workspace", "show", "nobody")
        self.fails(2, "workspace", "delete", "life", stdin=subprocess.DEVNULL)

        self.ok("exec", "life", "--", "sh", "-c", "echo kept > note")
        self.ok("workspace", "stop", "life")
        self.assertIn("slipway workspace start life", self.fails(255, "exec", "life", "--", "true").stderr)
        self.ok("workspace", "start", "life")
        self.assertEqual(self.ok("exec", "life", "--", "cat", "note").stdout, "kept\n")

        runs = json.loads(self.ok("runs", "list", "--workspace", "life", "-o", "json").stdout)
        self.assertEqual({run["type"] for run in runs},
                         {"workspace.create", "workspace.stop", "workspace.start"})
        self.assertIn("✓", self.ok("runs", "show", runs[0]["id"]).stdout)
        self.ok("runs", "watch", runs[0]["id"])
        self.assertIn("step_completed", self.ok("runs", "events", runs[0]["id"]).stdout)
        self.assertEqual(json.loads(self.ok("why", "life", "-o", "json").stdout)["state"], "READY")

        self.ok("workspace", "delete", "life", "--yes")
        self.fails(3, "workspace", "show", "life")

    def test_same_key_makes_one_workspace(self):
        first = self.ok("workspace", "create", "once", "--no-wait", "--idempotency-key", "k1", "-o", "json")
        again = self.ok("workspace", "create", "once", "--no-wait", "--idempotency-key", "k1", "-o", "json")
        self.assertEqual(json.loads(first.stdout)["run"]["id"], json.loads(again.stdout)["run"]["id"])
        self.ok("runs", "watch", json.loads(first.stdout)["run"]["id"])
        self.ok("workspace", "delete", "once", "--yes")

    def test_delete_asks_on_a_terminal(self):
        self.ok("workspace", "create", "asked")
        terminal = on_terminal("workspace", "delete", "asked")
        try:
            terminal.read_until(r"\[y/N\] ")
            terminal.type("n\n")
            self.assertEqual(terminal.wait(), 1)
        finally:
            terminal.close()
        self.ok("workspace", "show", "asked")
        self.ok("workspace", "delete", "asked", "--yes")

    def test_keys_can_be_made_used_and_deleted(self):
        key = self.ok("key", "create", "guest", "--role", "member").stdout.strip()
        url = f"http://127.0.0.1:{hub.port}"
        self.assertEqual(json.loads(self.ok("workspace", "list", "--url", url, "--key", key, "-o", "json").stdout), [])
        self.fails(5, "workspace", "list", "--url", url, "--key", "slk_wrong")
        made = [k for k in json.loads(self.ok("key", "list", "-o", "json").stdout) if k["name"] == "guest"]
        self.ok("key", "delete", made[0]["id"])
        self.fails(5, "workspace", "list", "--url", url, "--key", key)

    def test_completion_knows_workspaces(self):
        self.ok("workspace", "create", "complete-me")
        script = self.ok("completion", "bash").stdout + (
            'COMP_WORDS=(SLIPWAY ssh compl); COMP_CWORD=2; _slipway; echo "${COMPREPLY[@]}"').replace(
            "SLIPWAY", str(SLIPWAY))
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment)
        self.assertEqual(done.stdout.strip(), "complete-me")
        self.ok("workspace", "delete", "complete-me", "--yes")

    def test_without_a_hub_it_says_so(self):
        done = self.fails(6, "workspace", "list", "--url", "http://127.0.0.1:9", "--key", "x")
        self.assertIn("not reachable", done.stderr)


class InAWorkspace(CommandLineTest):
    """One workspace `work` for all that happens inside."""

    @classmethod
    def setUpClass(cls):
        done = slipway("workspace", "create", "work")
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        slipway("workspace", "delete", "work", "--yes")

    # ---- exec

    def test_exec_keeps_streams_apart_and_returns_the_code(self):
        done = self.fails(3, "exec", "work", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
        self.assertEqual((done.stdout, done.stderr), ("out\n", "err\n"))

    def test_exec_passes_words_as_they_are(self):
        words = ["[a-z]", "two words", "--", "-x", "$HOME", "", "ü"]
        done = self.ok("exec", "work", "--", "printf", "%s\\n", *words)
        self.assertEqual(done.stdout, "".join(word + "\n" for word in words))

    def test_exec_feeds_stdin_to_its_end(self):
        data = os.urandom(LARGE)
        done = self.ok("exec", "work", "--", "sha256sum", input=data, text=False)
        self.assertEqual(done.stdout.split()[0].decode(), hashlib.sha256(data).hexdigest())

    def test_exec_reads_a_regular_file_as_stdin(self):
        path = folder / "input"
        path.write_text("one\ntwo\n")
        with open(path) as stdin:
            self.assertEqual(self.ok("exec", "work", "--", "wc", "-l", stdin=stdin).stdout.strip(), "2")

    def test_exec_streams_a_lot_of_output(self):
        done = self.ok("exec", "work", "--", "head", "-c", str(LARGE * 4), "/dev/zero", text=False)
        self.assertEqual(len(done.stdout), LARGE * 4)

    def test_exec_ends_when_its_reader_goes(self):
        done = subprocess.run(["bash", "-c", f"{SLIPWAY} exec work -- yes | head -n 1"], capture_output=True, text=True,
                              env=environment, timeout=PATIENCE_S)
        self.assertEqual(done.stdout, "y\n")

    def test_exec_sets_environment_and_folder(self):
        done = self.ok("exec", "work", "--env", "COLOUR=red", "--workdir", "/tmp", "--", "sh", "-c", "echo $COLOUR; pwd")
        self.assertEqual(done.stdout, "red\n/tmp\n")

    def test_exec_forwards_signals(self):
        command = [SLIPWAY, "exec", "work", "--", "sh", "-c", "trap 'echo got it; exit 7' TERM; echo up; while :; do sleep 0.1; done"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        self.assertEqual(process.stdout.readline(), "up\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.stdout.read(), "got it\n")
        self.assertEqual(process.wait(PATIENCE_S), 7)
        process.stdout.close()

    def test_exec_tells_how_a_signal_ended_it(self):
        self.fails(128 + 9, "exec", "work", "--", "sh", "-c", "kill -9 $$")

    def test_exec_of_nothing_there_says_so(self):
        done = self.fails(127, "exec", "work", "--", "no-such-program")
        self.assertIn("no-such-program", done.stderr)
        self.fails(255, "exec", "nobody", "--", "true")

    def test_exec_on_a_terminal(self):
        terminal = on_terminal("exec", "-t", "work", "--", "sh", "-c", "test -t 0 && echo tty; exit 4")
        try:
            terminal.read_until("tty")
            self.assertEqual(terminal.wait(), 4)
        finally:
            terminal.close()

    # ---- ssh

    def test_ssh_is_a_real_terminal(self):
        terminal = on_terminal("ssh", "work", rows=30, columns=100)
        try:
            terminal.type("echo size=$(stty size)\n")
            terminal.read_until(r"size=30 100")
            terminal.resize(40, 120)
            terminal.type("until [ \"$(stty size)\" = '40 120' ]; do sleep 0.05; done; echo re''sized\n")
            terminal.read_until("resized")
            # Says so itself once it has the foreground: between two commands a shell may lose a Ctrl-C.
            terminal.type("sh -c \"echo slee''ping; exec sleep 1000\"\n")
            terminal.read_until("sleeping")
            terminal.type("\x03")
            terminal.read_until(r"\^C(?s:.*)\$ ")  # the prompt is back
            terminal.type("echo al''ive\n")
            terminal.read_until("alive")
            terminal.type("exit 42\n")
            self.assertEqual(terminal.wait(), 42)
            self.assertEqual(terminal.mode(), terminal.saved_mode)
        finally:
            terminal.close()

    def test_ssh_restores_the_terminal_when_it_is_killed(self):
        terminal = on_terminal("ssh", "work")
        try:
            terminal.type("echo re''ady\n")
            terminal.read_until("ready")
            self.assertNotEqual(terminal.mode(), terminal.saved_mode)
            terminal.process.send_signal(signal.SIGTERM)
            terminal.wait()
            self.assertEqual(terminal.mode(), terminal.saved_mode)
        finally:
            terminal.close()

    def test_ssh_can_be_left_by_its_escape(self):
        terminal = on_terminal("ssh", "work")
        try:
            terminal.type("echo re''ady\n")
            terminal.read_until("ready")
            terminal.type("\r~.")
            self.assertEqual(terminal.wait(), 255)
            self.assertEqual(terminal.mode(), terminal.saved_mode)
        finally:
            terminal.close()

    def test_ssh_and_exec_survive_a_hub_that_is_killed(self):
        terminal = on_terminal("ssh", "work")
        counter = subprocess.Popen(
            [SLIPWAY, "exec", "work", "--", "sh", "-c", "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo $i; sleep 0.02; done"],
            stdout=subprocess.PIPE, text=True, env=environment)
        try:
            terminal.type("echo pid=$$.\n")
            pid = terminal.read_until(r"pid=(\d+)\.").group(1)
            self.assertEqual(counter.stdout.readline(), "1\n")
            hub.kill()
            terminal.type("echo still=$$.\n")
            hub.start()
            self.assertEqual(terminal.read_until(r"still=(\d+)\.").group(1), pid)
            rest = counter.stdout.read().split()
            self.assertEqual(rest, [str(i) for i in range(2, 201)])
            self.assertEqual(counter.wait(PATIENCE_S), 0)
            terminal.type("exit\n")
            self.assertEqual(terminal.wait(), 0)
        finally:
            counter.kill()
            counter.wait()
            counter.stdout.close()
            terminal.close()

    # ---- cp

    def test_cp_copies_files_both_ways(self):
        here = folder / "there-and-back"
        here.write_bytes(os.urandom(LARGE))
        here.chmod(0o750)
        self.ok("cp", here, "work:there")
        self.ok("cp", "work:there", folder / "back")
        self.assertEqual((folder / "back").read_bytes(), here.read_bytes())
        self.assertEqual(stat.S_IMODE((folder / "back").stat().st_mode), 0o750)
        self.ok("exec", "work", "--", "mkdir", "-p", "inbox")
        self.ok("cp", here, "work:inbox")
        self.ok("cp", here, "work:inbox/")
        self.ok("exec", "work", "--", "cmp", "there", "inbox/there-and-back")

    def test_cp_copies_folders(self):
        tree = folder / "tree"
        (tree / "a b" / "c").mkdir(parents=True, exist_ok=True)
        (tree / "a b" / "c" / "file").write_text("deep")
        (tree / "link").unlink(missing_ok=True)
        (tree / "link").symlink_to("a b/c/file")
        self.fails(2, "cp", tree, "work:tree")
        self.ok("cp", "-r", tree, "work:tree")
        self.assertEqual(self.ok("exec", "work", "--", "cat", "tree/link").stdout, "deep")
        self.ok("cp", "-r", "work:tree", folder / "tree-back")
        self.assertEqual((folder / "tree-back" / "a b" / "c" / "file").read_text(), "deep")
        self.ok("cp", "-r", "work:tree", folder / "tree-back")  # exists now: goes inside, as with cp
        self.assertTrue((folder / "tree-back" / "tree" / "link").is_symlink())

    def test_cp_speaks_stdin_and_stdout(self):
        self.ok("cp", "-", "work:typed", input="typed\n")
        self.assertEqual(self.ok("cp", "work:typed", "-").stdout, "typed\n")

    def test_cp_leaves_nothing_behind_when_it_fails(self):
        self.fails(3, "cp", "work:not-there", folder / "nothing")
        self.assertFalse((folder / "nothing").exists())
        self.fails(1, "cp", __file__, "work:/usr/nothing")
        self.fails(2, "cp", "a", "b")
        self.fails(2, "cp", "work:a", "work:b")

    # ---- plain ssh, scp, sftp

    def plain(self, *words, **options):
        return subprocess.run([words[0], "-F", folder / "home/.ssh/config", *words[1:]], capture_output=True, text=True,
                              env=environment, timeout=PATIENCE_S, **options)

    def test_plain_ssh_scp_and_sftp_get_in(self):
        if not shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin"):
            self.skipTest("sshd is not installed on this machine, so sandboxes have none")
        self.ok("ssh-config", "--install")
        done = self.plain("ssh", "slipway.work", "echo in; exit 5")
        self.assertEqual((done.stdout, done.returncode), ("in\n", 5), done.stderr)
        source = folder / "scp-source"
        source.write_bytes(os.urandom(LARGE))
        done = self.plain("scp", source, "slipway.work:scp-target")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.plain("scp", "slipway.work:scp-target", folder / "scp-back")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((folder / "scp-back").read_bytes(), source.read_bytes())
        done = self.plain("sftp", "-b", "-", "slipway.work", input="rename scp-target moved\nls\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("moved", done.stdout)
        self.ok("ssh-config", "--remove")


if __name__ == "__main__":
    unittest.main(verbosity=2)
