"""The provisioner `terraform` with the real program and a provider of our own: what really exists against what a state
says, whatever is killed, cancelled or out of reach."""

import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import terraform  # noqa: E402
from support.terraform import Provider, Session, StateKeeper, descendants, machines_of  # noqa: E402

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "templates"


def machine(name, after=None, **members):
    lines = [f"  {key} = {json.dumps(value)}" for key, value in {"name": name, **members}.items()]
    if after:
        lines.append(f"  depends_on = [slipwaytest_machine.{after}]")
    return f'resource "slipwaytest_machine" "{name}" {{\n' + "\n".join(lines) + "\n}\n"


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return [""]


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to pass")
        time.sleep(0.02)


@unittest.skipIf(terraform.missing(), f"SKIPPED: {terraform.missing()}")
class TerraformTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="slipway-terraform-")))
        self.provider = Provider(self.folder)

    def open(self, template, keeper=None, cache=None, **environment):
        """A session with a template in a folder of its own."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="session-", dir=self.folder))
        (folder / "main.tf").write_text(terraform.REQUIRED + template)
        config = {}
        if keeper:
            config["stateBackend"] = keeper.backend()
        if cache:
            config["cacheDirectory"] = str(cache)
        session = Session(folder, self.provider.environment() | environment, **config)
        self.addCleanup(lambda: session.process.poll() is None and session.kill())
        return session

    def keeper(self, state=None):
        keeper = StateKeeper(state)
        self.addCleanup(keeper.close)
        return keeper

    def build(self, template, keeper, transition="start"):
        """Plan and apply; gives both completions."""
        session = self.open(template, keeper)
        planned = session.plan(transition)
        self.assertNotIn("error", planned, session.log())
        applied = session.apply()
        self.assertEqual(session.close(), 0)
        self.assertNotIn("token-of-", session.log())
        return planned, applied

    def assert_world_is_in(self, state):
        self.assertEqual(machines_of(state), self.provider.world())

    def wait_for_entry(self, operation, name):
        wait_until(lambda: any(e["op"] == operation and e["name"] == name for e in self.provider.entries()))

    def start_apply(self, template, keeper, until):
        """An apply that has begun to make the machine `until`."""
        session = self.open(template, keeper)
        self.assertNotIn("error", session.plan())
        session.send("apply")
        self.wait_for_entry("begin", until)
        return session

    # ---- the life of a workspace

    def test_create_update_replace_drift_and_destroy(self):
        keeper = self.keeper()
        planned, applied = self.build(machine("a", size="small"), keeper)
        self.assertEqual([r["action"] for r in planned["resources"]], ["create"])
        self.assertTrue(applied["stateInBackend"])
        self.assert_world_is_in(keeper.state)
        first = list(self.provider.world())

        planned, _ = self.build(machine("a", size="large"), keeper)
        self.assertEqual([r["action"] for r in planned["resources"]], ["update"])
        self.assertEqual(list(self.provider.world()), first)

        planned, _ = self.build(machine("a", size="large").replace('name = "a"', 'name = "b"'), keeper)
        self.assertEqual([r["action"] for r in planned["resources"]], ["replace"])
        self.assert_world_is_in(keeper.state)
        self.assertNotEqual(list(self.provider.world()), first)

        self.provider.remove_behind_its_back(next(iter(self.provider.world())))
        planned, _ = self.build(machine("a", size="large").replace('name = "a"', 'name = "b"'), keeper)
        self.assertEqual([r["action"] for r in planned["resources"]], ["create"])
        self.assert_world_is_in(keeper.state)

        planned, applied = self.build(machine("a"), keeper, "destroy")
        self.assertEqual([r["action"] for r in planned["resources"]], ["destroy"])
        self.assertEqual((self.provider.world(), applied["resources"]), ({}, []))
        self.assertIsNone(keeper.lock)

    def test_the_next_build_mends_a_failed_one(self):
        keeper = self.keeper()
        session = self.open(machine("a") + machine("b", after="a", fail="create"), keeper)
        session.plan()
        applied = session.apply()
        self.assertEqual((applied["error"]["code"], applied["error"]["errorClass"]), ("TERRAFORM_FAILED", "internal"))
        self.assertIn("The cloud is full.", applied["error"]["message"])
        self.assertEqual(session.close(), 0)
        self.assert_world_is_in(keeper.state)
        self.build(machine("a") + machine("b", after="a"), keeper)
        self.assertEqual(sorted(self.provider.world().values()), ["a", "b"])

    def test_a_machine_that_cannot_be_destroyed_stays_in_the_state(self):
        keeper = self.keeper()
        self.build(machine("a", fail="destroy"), keeper)
        session = self.open(machine("a", fail="destroy"), keeper)
        session.plan("destroy")
        self.assertEqual(session.apply()["error"]["code"], "TERRAFORM_FAILED")
        session.close()
        self.assert_world_is_in(keeper.state)

    # ---- the state on its way to the hub

    def test_the_state_is_at_the_hub_while_terraform_applies(self):
        keeper = self.keeper()
        session = self.start_apply(machine("a") + machine("b", after="a", delay_ms=600_000), keeper, until="b")
        keeper.wait_until(lambda: machines_of(keeper.state))
        self.assert_world_is_in(keeper.state)
        self.assertIsNotNone(keeper.lock)
        session.send("cancel")
        self.assertEqual(session.wait_for("applyComplete")["error"]["code"], "CANCELLED")
        self.assertIsNone(keeper.lock)
        self.assertEqual(session.close(), 0)
        self.assert_world_is_in(keeper.state)

    def test_the_end_of_the_daemon_ends_the_apply_well(self):
        keeper = self.keeper()
        session = self.start_apply(machine("a") + machine("b", after="a", delay_ms=600_000), keeper, until="b")
        session.close()
        self.assertIsNone(keeper.lock)
        self.assert_world_is_in(keeper.state)

    def test_the_death_of_the_machine_loses_only_what_was_being_made(self):
        keeper = self.keeper()
        session = self.start_apply(machine("a") + machine("b", after="a", delay_ms=600_000), keeper, until="b")
        keeper.wait_until(lambda: machines_of(keeper.state))
        session.kill()
        self.assert_world_is_in(keeper.state)
        self.assertIsNotNone(keeper.lock)  # so the hub knows that it was cut off

    def test_a_killed_terraform_leaves_its_state_and_no_provider(self):
        keeper = self.keeper()
        session = self.start_apply(machine("a") + machine("b", after="a", delay_ms=600_000), keeper, until="b")
        family = descendants(session.process.pid)
        for pid in family:
            if "apply" in command_of(pid):
                os.kill(pid, signal.SIGKILL)
        applied = session.wait_for("applyComplete")
        self.assertEqual(applied["error"]["code"], "TERRAFORM_KILLED")
        self.assertTrue(applied["stateInBackend"])
        self.assertEqual([r["name"] for r in applied["resources"]], ["a"])
        self.assert_world_is_in(keeper.state)
        wait_until(lambda: not any("provider.py" in " ".join(command_of(pid)) for pid in family))
        self.assertEqual(session.close(), 0)

    def test_a_hub_that_is_away_during_the_apply_gets_the_state_when_it_is_back(self):
        for status in (503, 404, 403):  # of the proxy before it
            with self.subTest(status=status):
                self.outlive_an_outage(status)

    def outlive_an_outage(self, status):
        keeper = self.keeper()
        keeper.outage_status = status
        self.provider = Provider(pathlib.Path(tempfile.mkdtemp(dir=self.folder)))
        gate = self.provider.folder / "go-on"
        session = self.start_apply(machine("a", gate=str(gate)) + machine("b", after="a"), keeper, until="a")
        keeper.outage.set()
        gate.touch()  # no state has come before that
        self.wait_for_entry("create", "b")
        session.wait_for_line("will be tried again")
        keeper.outage.clear()
        applied = session.wait_for("applyComplete")
        self.assertNotIn("error", applied)
        self.assertTrue(applied["stateInBackend"])
        self.assert_world_is_in(keeper.state)
        self.assertEqual(session.close(), 0)

    def test_a_state_that_somebody_else_holds_is_left_alone(self):
        keeper = self.keeper()
        keeper.lock = {"ID": "other", "Who": "somebody", "Created": "yesterday"}
        session = self.open(machine("a"), keeper)
        session.plan()
        error = session.apply()["error"]
        self.assertEqual((error["code"], error["errorClass"]), ("STATE_LOCKED", "transient"))
        self.assertIn("by somebody since yesterday", error["message"])
        session.close()
        self.assertEqual(self.provider.entries(), [])

    # Who found it unlocked would begin anew from a state that is not the last one.
    def test_the_lock_stays_where_the_last_state_is_not_kept(self):
        keeper = self.keeper()
        vandal = 'resource "terraform_data" "vandal" {\n  depends_on = [slipwaytest_machine.a]\n'
        vandal += '  provisioner "local-exec" {\n    command = "rm .slipway/terraform.tfstate"\n  }\n}\n'
        session = self.open(machine("a") + vandal, keeper)
        self.assertNotIn("error", session.plan())
        self.assertEqual(session.apply()["error"]["code"], "STATE_CUT_OFF")
        self.assertIsNotNone(keeper.lock)
        self.assertEqual(session.close(), 0)

    def test_who_lost_the_lock_makes_nothing_more(self):
        keeper = self.keeper()
        gate = self.folder / "go-on"
        session = self.start_apply(
            machine("a", gate=str(gate)) + machine("b", after="a", delay_ms=600_000), keeper, until="a")  # fmt: skip
        keeper.lock = {"ID": "other"}
        gate.touch()
        applied = session.wait_for("applyComplete")
        self.assertEqual(applied["error"]["code"], "STATE_REFUSED")
        self.assertTrue(applied["stateFile"])
        self.assert_world_is_in(pathlib.Path(applied["stateFile"]).read_text())
        self.assertNotIn("b", self.provider.world().values())
        session.close()

    def test_without_a_hub_the_state_is_a_file(self):
        session = self.open(machine("a") + machine("b", after="a", delay_ms=600_000))
        session.plan()
        session.send("apply")
        session.wait_for(lambda message: message["type"] == "stateWritten" and machines_of(session.states[-1]))
        self.assert_world_is_in(session.states[-1])
        self.wait_for_entry("begin", "b")
        session.send("cancel")
        applied = session.wait_for("applyComplete")
        self.assertFalse(applied["stateInBackend"])
        self.assert_world_is_in(pathlib.Path(applied["stateFile"]).read_text())
        session.close()

    # ---- cancels

    def test_a_plan_is_cancelled(self):
        session = self.open(machine("a", fail="plan"))
        session.send("plan", metadata={"transition": "start"})
        self.wait_for_entry("planning", "a")
        session.send("cancel")
        self.assertEqual(session.wait_for("planComplete")["error"]["code"], "CANCELLED")
        self.assertIn("Interrupt received", session.log())
        self.assertEqual(session.close(), 0)

    def test_an_init_that_waits_for_another_one_is_cancelled(self):
        cache = self.folder / "cache" / "terraform-plugins"
        cache.mkdir(parents=True)
        with open(cache / ".slipway.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            session = self.open(machine("a"), TF_PLUGIN_CACHE_DIR=str(cache))
            session.send("plan", metadata={"transition": "start"})
            session.wait_for_line("Initializing")
            session.send("cancel")
            self.assertEqual(session.wait_for("planComplete")["error"]["code"], "CANCELLED")
            session.close()

    # ---- several at once

    def test_sessions_share_a_cold_cache(self):
        cache = self.folder / "cache"
        failures = []

        def build(number):
            session = self.open(machine(f"m{number}"), cache=cache)
            for answer in (session.plan(), session.apply()):
                if "error" in answer:
                    failures.append(answer["error"])
            session.close()

        threads = [threading.Thread(target=build, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(sorted(self.provider.world().values()), ["m0", "m1", "m2"])
        self.assertTrue((cache / "terraform-plugins" / terraform.ADDRESS / "1.0.0").exists())

    def test_a_missing_terraform_is_said(self):
        ended = subprocess.run(
            [os.environ["SLIPWAY_BIN"], "provisioner", "terraform", "--tool", "/nonexistent/terraform"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn("install Terraform 1.1 or newer", ended.stderr)


@unittest.skipIf(terraform.missing(), f"SKIPPED: {terraform.missing()}")
class ExamplesTest(unittest.TestCase):
    """Each template of examples/ that is Terraform's: planned, started, stopped, started again, destroyed."""

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="slipway-examples-")))
        self.root = self.folder / "root"
        self.state = None

    def build(self, template, transition, root=None, **parameters):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        shutil.copytree(EXAMPLES / template, folder, dirs_exist_ok=True)
        config = {}
        if self.state is not None:
            (self.folder / "state").write_text(self.state)
            config["stateFile"] = str(self.folder / "state")
        session = Session(folder, {}, **config)
        try:
            session.send("parse")
            self.parsed = session.wait_for("parseComplete")["parsed"]
            planned = session.plan(transition, {"root": str(root or self.root), **parameters}, workspaceId="ws-1")
            self.assertNotIn("error", planned, session.log())
            applied = session.apply()
            self.assertNotIn("error", applied, session.log())
            self.state = pathlib.Path(applied["stateFile"]).read_text()
            return applied
        finally:
            session.close()

    def test_a_project_folder(self):
        title = "\"; touch /tmp/never; $(x) 'quoted'"
        applied = self.build("local-folder", "start", kind="python", title=title)
        home = self.root / "ws-1"
        self.assertEqual(applied["outputs"], {"folder": str(home)})
        self.assertEqual((home / "README.md").read_text().splitlines()[0], "# " + title)
        subprocess.run([sys.executable, "test_main.py"], cwd=home, check=True, capture_output=True)
        self.assertEqual([variable["name"] for variable in self.parsed["variables"]], ["root"])
        (home / "README.md").write_text("mine")
        self.build("local-folder", "stop", kind="python", title=title)
        self.assertFalse((home / ".open").exists())
        self.build("local-folder", "start", kind="cpp", title=title)
        self.assertTrue((home / ".open").exists() and (home / "Makefile").exists())
        self.assertEqual((home / "README.md").read_text(), "mine")
        self.assertEqual(self.build("local-folder", "destroy")["resources"], [])
        self.assertFalse(home.exists())

    def test_another_root_moves_a_project_folder(self):
        self.build("local-folder", "start")
        other = self.folder / "other"
        self.build("local-folder", "start", root=other)
        self.assertTrue((other / "ws-1" / "README.md").exists() and (other / "ws-1" / ".open").exists())
        self.assertFalse((self.root / "ws-1").exists())
        self.build("local-folder", "destroy", root=other)
        self.assertFalse((other / "ws-1").exists())

    def test_a_server_that_does_not_come_up_is_ended_with_its_start(self):
        programs = self.folder / "programs"
        (self.folder / "public").mkdir()
        programs.mkdir()
        (programs / "python3").write_text("#!/bin/sh\nexec sleep 1000\n")
        (programs / "python3").chmod(0o755)
        start = subprocess.Popen(
            ["sh", str(EXAMPLES / "dev-process" / "server" / "start.sh")],
            env={"PATH": f"{programs}:{os.environ['PATH']}", "FOLDER": str(self.folder), "PORT": "0"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        pid = self.folder / "pid"
        wait_until(lambda: pid.exists() and pid.read_text())
        server = int(pid.read_text())
        wait_until(lambda: "sleep" in command_of(server))
        start.send_signal(signal.SIGINT)
        self.assertEqual(start.wait(), 130)
        wait_until(lambda: "sleep" not in command_of(server))
        self.assertFalse(pid.exists())

    def test_a_web_server_of_a_folder(self):
        self.addCleanup(self.end_server)
        applied = self.build("dev-process", "start", greeting="Good morning")
        address = pathlib.Path(applied["outputs"]["address_file"]).read_text().strip()
        with urllib.request.urlopen(address + "index.txt") as page:
            self.assertEqual(page.read().decode(), "Good morning\n")
        self.build("dev-process", "stop", greeting="Good morning")
        wait_until(lambda: not self.answers(address))  # it has been told to end
        self.assertTrue((self.root / "ws-1" / "public" / "index.txt").exists())
        self.build("dev-process", "start", greeting="Good evening")
        self.build("dev-process", "destroy")
        self.assertFalse((self.root / "ws-1").exists())

    def answers(self, address):
        try:
            with urllib.request.urlopen(address):
                return True
        except OSError:  # refused, or broken off
            return False

    def end_server(self):
        pid = self.root / "ws-1" / "pid"
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGKILL)


if __name__ == "__main__":
    unittest.main()
