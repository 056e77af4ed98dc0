#!/usr/bin/env python3
"""The README's first command: ./run, on a data folder of its own, with the programs that are built already.

The scripts are copied beside links to the built programs, so that nothing is installed or built here, and nobody's own
./.slipway is touched.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from support.hub import PATIENCE_S, ROOT, SLIPWAY, free_port, wait_until  # noqa: E402


class RunScript(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-run-"))
        (cls.folder / "tools").mkdir()
        shutil.copy(ROOT / "run", cls.folder)
        for part in ("say.sh", "simulated-cloud.sh"):
            shutil.copy(ROOT / "tools" / part, cls.folder / "tools")
        for tool in ("install-packages", "build"):
            stand_in = cls.folder / "tools" / tool
            stand_in.write_text("#!/bin/sh\nexit 0\n")
            stand_in.chmod(0o755)
        programs = cls.folder / "build/release/src"
        programs.mkdir(parents=True)
        for program in ("slipway", "slipway-agent", "slipway-simulator"):
            # A copy: the hub looks for its agent beside itself.
            shutil.copy(SLIPWAY.parent / program, programs)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def setUp(self):
        self.data = self.folder / "data"
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)
        self.addCleanup(self.take_away)

    def take_away(self):
        if (self.data / "client.json").exists():
            self.run_script("--no-workspace", code=None)
            subprocess.run(
                [SLIPWAY, "--data", self.data, "workspace", "delete", "--yes", "hello"], capture_output=True, check=False
            )
        self.run_script("stop", code=None)

    def run_script(self, *words, code=0, **options):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        done = subprocess.run(
            [self.folder / "run", *words, "--data", self.data], text=True, capture_output=True, check=False,
            stdin=subprocess.DEVNULL, timeout=PATIENCE_S * 3, env=environment, cwd="/", **options,
        )  # fmt: skip
        told = done.stdout + done.stderr
        if code is not None:
            self.assertEqual(done.returncode, code, told)
        return told

    def start(self, *words):
        return self.run_script("--port", str(free_port()), *words)

    def url(self):
        return json.loads((self.data / "client.json").read_text())["url"]

    def test_leads_from_nothing_to_a_workspace_and_says_how_to_go_on(self):
        told = self.start()
        self.assertIn("create-machine", told)
        self.assertIn("ssh hello", told)
        self.assertRegex(told, re.escape(self.url()) + r"/#key=slk_[\w-]+")
        command = re.search(r"Run one\s+(.*) uname -a", told)[1].split()
        seen = subprocess.run([*command, "echo", "inside"], text=True, capture_output=True, cwd=self.folder, check=True)
        self.assertEqual(seen.stdout, "inside\n")
        curl = re.search(r"API\s+(curl .*)", told)[1]
        listed = subprocess.run(curl, shell=True, text=True, capture_output=True, check=True).stdout
        self.assertEqual([workspace["name"] for workspace in json.loads(listed)["data"]], ["hello"])

    def test_a_second_run_finds_all_there(self):
        self.start()
        self.assertEqual(self.run_script().count("already"), 2)

    def test_status_stop_and_logs_tell_what_is(self):
        self.assertIn("No hub runs", self.run_script("status", code=3))
        self.start("--no-workspace")
        self.assertIn(self.url(), self.run_script("status"))
        self.assertIn("stopped", self.run_script("stop"))
        self.assertIn("No hub runs", self.run_script("status", code=3))
        self.assertNotEqual(self.run_script("logs"), "")

    def test_workspaces_outlive_a_stop_of_the_hub_unless_all_is_said(self):
        self.start()
        pid_file = "cat /proc/1/stat | cut -d' ' -f22"
        command = [SLIPWAY, "--data", self.data, "exec", "hello", "--", "sh", "-c", pid_file]
        before = subprocess.run(command, text=True, capture_output=True, check=True).stdout
        self.run_script("stop")
        self.run_script()
        self.assertEqual(subprocess.run(command, text=True, capture_output=True, check=True).stdout, before)
        self.run_script("stop", "--all")
        self.run_script("--no-workspace")
        self.assertIn("SUSPENDED", self.run_script("status"))

    def test_a_taken_port_is_avoided_or_refused(self):
        import socket

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            self.run_script("--port", port, code=1)
        self.run_script("--port", "70000", code=2)
        self.run_script("--bad", code=2)

    def test_a_stale_pid_file_is_not_believed(self):
        self.data.mkdir()
        (self.data / "hub.pid").write_text(f"{os.getpid()} 1\n")
        self.assertIn("No hub runs", self.run_script("status", code=3))
        self.assertIn("No hub runs", self.run_script("stop"))

    def test_in_the_foreground_it_ends_with_its_signal(self):
        process = subprocess.Popen(
            [self.folder / "run", "--foreground", "--no-workspace", "--port", str(free_port()), "--data", self.data],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            for line in process.stdout:
                if "Ctrl-C" in line:
                    break
            self.assertIn(self.url(), self.run_script("status"))
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
            self.assertEqual(process.wait(PATIENCE_S), 0, rest)
            self.assertIn("No hub runs", self.run_script("status", code=3))
        finally:
            process.stdout.close()
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENCE_S)

    def workstations(self):
        listed = subprocess.run(
            [SLIPWAY, "--data", self.data, "workstations", "list", "--output", "json"],
            text=True, capture_output=True, check=True,
        )  # fmt: skip
        return json.loads(listed.stdout)

    def test_a_simulated_cloud_comes_along_and_goes_along(self):
        told = self.start("--no-workspace", "--cloud", "simulated")
        self.assertEqual([one["status"] for one in self.workstations()], ["running"], told)
        order = re.search(r"Order one\S*\s+(curl .*)", told)[1]
        subprocess.run(order, shell=True, capture_output=True, check=True)
        running = ["running"] * 2
        wait_until(lambda: [one["status"] for one in self.workstations()] == running, "the ordered one runs")
        wait_until(lambda: len(list((self.data / "mail").glob("*.eml"))) == 2, "both users have mail")
        self.assertIn("first workstation is already there", self.run_script("--no-workspace", "--cloud", "simulated"))
        self.assertIn("simulated cloud is stopped", self.run_script("stop"))

    def test_two_at_once_start_one_hub(self):
        words = [self.folder / "run", "--no-workspace", "--data", self.data]
        both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL) for _ in range(2)]
        told = "".join(process.communicate(timeout=PATIENCE_S * 2)[0] for process in both)
        self.assertEqual([process.returncode for process in both], [0, 0], told)
        self.assertEqual(told.count("The hub already serves"), 1, told)
        wait_until(lambda: "serves" in self.run_script("status"), "one hub serves")


if __name__ == "__main__":
    unittest.main(verbosity=2)
