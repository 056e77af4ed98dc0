"""Builds whose runs are parked, because this hub does not understand what they wrote down: as after the way back from a newer
version. Cancelling such a run ends the build as well as any other cancel does (RUN-9, RUN-13)."""

import contextlib
import pathlib
import sqlite3
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402
from support.played_daemon import PlayedDaemon  # noqa: E402

FILES = {"main.tf": "# nothing"}


class ParkedBuilds(unittest.TestCase):
    def setUp(self):
        self.hub = self.enterContext(Hub())
        self.daemon = self.enterContext(PlayedDaemon(self.hub))
        self.daemon.push_template("t", FILES)

    def get(self, path):
        return self.hub.get(path).expect(200)

    def workspace(self, workspace):
        return self.get(f"/v1/workspaces/{workspace}")

    def job_of(self, run):
        return wait_until(lambda: self.get(f"/v1/jobs?runId={run}"), "the job is in line")[0]

    def steps(self, run):
        return [step["name"] for step in self.hub.run(run)["steps"] if step["status"] == "completed"]

    def park(self, run):
        """The hub comes back with a version in which the run's step has another name."""
        wait_until(lambda: "queue-job" in self.steps(run), "the step is written down")
        self.hub.stop()
        with contextlib.closing(sqlite3.connect(self.hub.data / "slipway.db")) as database, database:
            database.execute("UPDATE run_events SET step = 'of-the-future' WHERE run_id = ? AND step = 'queue-job'", [run])
        self.hub.start()
        wait_until(lambda: self.hub.run(run).get("parkedReason"), "the run is parked")

    def cancel(self, run):
        self.hub.post(f"/v1/workflows/runs/{run}/cancel").expect(202)
        ended = self.hub.await_run(run)
        self.assertEqual((ended["status"], ended.get("needsAttention")), ("cancelled", True))

    def build(self):
        """A workspace that is there."""
        job = self.daemon.build("t", f"w-{uuid.uuid4().hex[:8]}")
        self.daemon.complete_build(job)
        return job["workspace"]

    def test_a_job_that_waits_does_not_wait_on(self):
        accepted = self.hub.post("/v1/workspaces", {"name": "waiting", "from_template": "t"}).expect(202)
        run, workspace = accepted["run"]["id"], accepted["workspace"]["id"]
        job = self.job_of(run)
        self.park(run)
        self.cancel(run)
        self.assertEqual(self.get(f"/v1/jobs/{job['id']}")["status"], "cancelled")
        told = self.workspace(workspace)
        self.assertEqual((told["status"], told["error"]["code"]), ("ERROR", "CANCELLED"))
        self.assertIsNone(told.get("run_id"))

    def test_a_job_that_is_at_work_is_cancelled_and_its_workspace_says_so(self):
        job = self.daemon.build("t", "at-work")
        self.daemon.update(job, "apply")
        self.park(job["run"])
        self.cancel(job["run"])
        wait_until(lambda: self.daemon.update(job, "apply")["cancelled"], "the daemon is told")
        self.assertEqual(self.workspace(job["workspace"])["status"], "PROVISIONING")  # what is at work ends it
        self.daemon.fail(job, code="CANCELLED", cancelled=True)
        self.assertEqual(self.get(f"/v1/jobs/{job['id']}")["status"], "cancelled")
        told = self.workspace(job["workspace"])
        self.assertEqual((told["status"], told["error"]["code"]), ("ERROR", "CANCELLED"))
        self.assertIsNone(told.get("run_id"))

    def test_a_workspace_of_which_nothing_was_changed_is_what_it_was(self):
        workspace = self.build()
        run = self.hub.post(f"/v1/workspaces/{workspace}/stop").expect(202)["run"]["id"]
        self.job_of(run)
        self.park(run)
        self.cancel(run)
        told = self.workspace(workspace)
        self.assertEqual((told["status"], told.get("run_id"), told.get("error")), ("READY", None, None))
        builds = self.get(f"/v1/workspaces/{workspace}/builds")
        self.assertEqual([build["status"] for build in builds], ["cancelled", "succeeded"])

    def test_a_workspace_whose_build_was_parked_can_be_deleted(self):
        job = self.daemon.build("t", "deleted")
        self.daemon.update(job, "plan")
        self.park(job["run"])
        deleted = self.hub.delete(f"/v1/workspaces/{job['workspace']}").expect(202)["run"]["id"]
        wait_until(lambda: self.daemon.update(job, "plan")["cancelled"], "the daemon is told")
        self.daemon.fail(job, code="CANCELLED", cancelled=True)
        self.hub.await_completed(deleted)
        self.hub.get(f"/v1/workspaces/{job['workspace']}").expect_error(404, "NOT_FOUND")


if __name__ == "__main__":
    unittest.main()
