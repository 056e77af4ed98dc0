"""The provisioner daemon (RUN-3, RUN-9, RUN-12, RUN-15, RUN-16): real processes, killed, drained, and cut off."""

import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import SLIPWAY, Hub, wait_until  # noqa: E402
from support.provisionerd import ProvisionerdOf  # noqa: E402
from support.scripted_builds import ScriptedBuilds  # noqa: E402
from support.tcp_proxy import TcpProxy  # noqa: E402


class Daemons(ScriptedBuilds, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub().__enter__()
        cls.addClassCleanup(cls.hub.__exit__, None, None, None)

    # ---- whole

    # RUN-6, RUN-7
    def test_a_hub_alone_builds(self):
        with Hub(options=["--embedded-runners", 2]) as hub:
            template, world = self.push(hub)
            run = self.create(hub, template)
            hub.await_completed(run)
            job = self.job_of(hub, run)
            self.assertEqual(job["status"], "succeeded")
            stages = list(dict.fromkeys(line["stage"] for line in self.lines(hub, job["id"])))
            self.assertEqual(stages, ["Setting up", "Planning infrastructure", "Starting workspace", "Cleaning Up"])
            self.assert_made_once(world)
            # A job is told to have ended before its folder goes.
            wait_until(lambda: not list((hub.data / "provisionerd" / "sessions").iterdir()), "its folder is taken away")

    def test_a_daemon_for_one_job_ends_after_it(self):
        with ProvisionerdOf(self.hub, options=["--once"]) as daemon:
            self.push(self.hub)
            self.assertEqual(daemon.await_end(), 0, daemon.log())

    def test_a_key_that_is_not_known_ends_it_with_advice(self):
        daemon = ProvisionerdOf(self.hub)
        self.addCleanup(daemon.__exit__, None, None, None)
        (daemon.folder / "key").write_text("sld_" + "x" * 43)
        with self.assertRaisesRegex(AssertionError, "UNAUTHORIZED"):
            daemon.start()

    def test_a_provisioner_that_is_missing_is_said_and_the_rest_works(self):
        with ProvisionerdOf(self.hub, provisioners=["scripted", "magic=/nowhere/magic"]) as daemon:
            self.assertIn("provisioner not available on this machine", daemon.log())
            self.push(self.hub)

    # RUN-20: named as a shell in the daemon's folder would name it, and run from elsewhere.
    def test_a_program_beside_the_daemon_can_be_its_provisioner(self):
        daemon = ProvisionerdOf(self.hub, provisioners=["scripted=./programs/mine a-word"])
        self.addCleanup(daemon.__exit__, None, None, None)
        program, called = daemon.folder / "programs" / "mine", daemon.folder / "called"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$PWD $1" >> {called}\nexec {SLIPWAY} provisioner scripted\n')
        program.chmod(0o755)
        daemon.start()
        template, world = self.push(self.hub)
        self.hub.await_completed(self.create(self.hub, template))
        self.assert_made_once(world)
        places, words = zip(*(line.rsplit(" ", 1) for line in called.read_text().splitlines()), strict=True)
        self.assertEqual(set(words), {"a-word"})
        self.assertNotIn(str(daemon.folder), places)

    # RUN-2
    def test_the_jobs_of_one_template_fetch_it_once(self):
        with Hub(options=["--embedded-runners", 2, "--open-metrics"]) as hub:
            template, _ = self.push(hub)
            for _ in range(3):
                hub.await_completed(self.create(hub, template))
            metrics = hub.get("/metrics", key=None).text
            self.assertIn('slipway_daemon_archives_total{from="hub"} 1\n', metrics)
            self.assertIn('slipway_daemon_archives_total{from="cache"} 3\n', metrics)

    # ---- cut off

    # RUN-2, RUN-15
    def test_a_daemon_killed_while_it_fetches_a_template_hands_out_nothing_half(self):
        with TcpProxy(self.hub.port) as proxy, ProvisionerdOf(self.hub, url=proxy.url) as daemon:
            archives = daemon.folder / "work" / "archives"
            proxy.cut_answers(1 << 20)
            template, world, run = self.begin_push(self.hub, files={"ballast": "x" * (4 << 20)})
            wait_until(lambda: any(file.stat().st_size for file in archives.glob("*.part")), "half of it is there")
            daemon.kill()
            proxy.cut_answers(None)
            daemon.start()
            self.hub.await_completed(run)
            self.hub.await_completed(self.create(self.hub, template))
            self.assert_made_once(world)
            self.assertEqual([file.suffix for file in archives.iterdir()], [""])

    # RUN-15: found in seconds, and gone on with from the state that was journalled.
    def test_what_a_killed_daemon_leaves_another_one_finishes(self):
        with ProvisionerdOf(self.hub) as first:
            template, world = self.push(self.hub, gated=True)
            run = self.create(self.hub, template)
            job = self.await_half(self.hub, run)
            first.kill()
            self.open_gate(world)
            with ProvisionerdOf(self.hub):
                self.hub.await_completed(run)
        self.assertEqual(self.job(self.hub, job)["attempt"], 2)
        self.assert_made_once(world)

    # RUN-3
    def test_a_build_outlives_a_hub_that_is_killed(self):
        with Hub() as hub, ProvisionerdOf(hub):
            template, world = self.push(hub, gated=True)
            run = self.create(hub, template)
            job = self.await_half(hub, run)
            hub.kill()
            hub.start()
            self.open_gate(world)
            hub.await_completed(run)
            self.assertEqual(self.job(hub, job)["attempt"], 1, "it went on with its lease")
            self.assert_made_once(world)
            numbers = [line["number"] for line in self.lines(hub, job)]
            self.assertEqual(numbers, list(range(len(numbers))), "no line is lost or doubled")

    # The way out where what builds a template never comes back.
    def test_an_admin_lets_a_workspace_go_though_no_daemon_is_left_to_destroy_it(self):
        with ProvisionerdOf(self.hub) as daemon:
            template, world = self.push(self.hub)
            accepted = self.hub.post("/v1/workspaces", {"name": template, "from_template": template}).expect(202)
            self.hub.await_completed(accepted["run"]["id"])
            daemon.stop()
        path = f"/v1/workspaces/{accepted['workspace']['id']}"
        deleted = self.hub.delete(f"{path}?orphan=true").expect(202)
        self.hub.await_completed(deleted["run"]["id"])
        self.assertNotIn(template, [each["name"] for each in self.hub.get("/v1/workspaces?owner=all").expect(200)])
        self.assert_made_once(world)  # what was built is still there

    # RUN-9
    def test_a_cancel_reaches_a_build_that_hangs(self):
        with ProvisionerdOf(self.hub):
            template, _ = self.push(self.hub, hang=True)
            run = self.create(self.hub, template)
            job = self.await_half(self.hub, run)
            self.hub.post(f"/v1/jobs/{job}/cancel").expect(200)
            self.await_status(self.hub, job, "cancelled")
            self.assertEqual(self.hub.await_run(run)["status"], "cancelled")

    # ---- ended

    # RUN-16
    def test_a_drain_finishes_what_runs_and_takes_nothing(self):
        with ProvisionerdOf(self.hub) as daemon:
            template, world = self.push(self.hub, gated=True)
            run = self.create(self.hub, template)
            job = self.await_half(self.hub, run)
            daemon.signal()
            wait_until(lambda: "draining" in daemon.log(), "it drains")
            later = self.create(self.hub, template)
            self.open_gate(world)
            self.assertEqual(daemon.await_end(), 0)
            self.assertEqual(self.job(self.hub, job)["status"], "succeeded")
            self.hub.await_completed(run)
            waiting = self.job_of(self.hub, later)["id"]
            self.assertEqual(self.job(self.hub, waiting)["status"], "pending")
        with ProvisionerdOf(self.hub):
            self.hub.await_completed(later)

    def test_what_a_second_signal_stops_another_daemon_finishes(self):
        with ProvisionerdOf(self.hub) as first:
            template, world = self.push(self.hub, gated=True)
            run = self.create(self.hub, template)
            job = self.await_half(self.hub, run)
            first.signal()
            wait_until(lambda: "draining" in first.log(), "it drains")
            first.signal(signal.SIGINT)
            self.assertEqual(first.await_end(), 0)
            self.await_status(self.hub, job, "pending")
            self.open_gate(world)
            with ProvisionerdOf(self.hub):
                self.hub.await_completed(run)
        self.assert_made_once(world)

    # RUN-16: the drain is bounded, and what it cuts short is not lost.
    def test_a_drain_that_takes_too_long_becomes_a_cancel_and_another_daemon_goes_on(self):
        with ProvisionerdOf(self.hub, options=["--drain-timeout", "1s"]) as first:
            template, world = self.push(self.hub, gated=True)
            run = self.create(self.hub, template)
            job = self.await_half(self.hub, run)
            self.assertEqual(first.stop(), 0, first.log())
            self.assertIn("the drain takes too long", first.log())
            self.assertEqual(self.job(self.hub, job)["status"], "pending")
            self.open_gate(world)
            with ProvisionerdOf(self.hub):
                self.hub.await_completed(run)
        self.assertEqual(self.job(self.hub, job)["attempt"], 2)
        self.assert_made_once(world)

    def test_a_drain_within_its_bound_is_not_cut_short(self):
        with ProvisionerdOf(self.hub, options=["--drain-timeout", "10m"]) as daemon:
            template, world = self.push(self.hub, gated=True)
            run = self.create(self.hub, template)
            job = self.await_half(self.hub, run)
            daemon.signal()
            wait_until(lambda: "draining" in daemon.log(), "it drains")
            self.open_gate(world)
            self.assertEqual(daemon.await_end(), 0)
            self.assertNotIn("takes too long", daemon.log())
            self.assertEqual(self.job(self.hub, job)["status"], "succeeded")
            self.hub.await_completed(run)

    # RUN-17
    def test_no_file_of_a_session_is_left(self):
        with ProvisionerdOf(self.hub) as daemon:
            template, _ = self.push(self.hub, gated=True)
            run = self.create(self.hub, template)
            self.await_half(self.hub, run)
            sessions = daemon.folder / "work" / "sessions"
            self.assertEqual(len(list(sessions.iterdir())), 1)
            self.assertEqual(sessions.stat().st_mode & 0o777, 0o700)
            daemon.kill()
            daemon.start()
            job = self.job_of(self.hub, run)["id"]
            self.hub.post(f"/v1/jobs/{job}/cancel").expect(200)
            self.hub.await_run(run)
            wait_until(lambda: not list(sessions.iterdir()), "what was left is taken away")


if __name__ == "__main__":
    unittest.main()
