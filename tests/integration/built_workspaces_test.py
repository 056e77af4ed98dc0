"""Workspaces that are built from templates (RUN-12, RUN-13, RUN-24), where the plain story ends: ephemeral parameters,
what cannot be destroyed, and what is at work while it is to be deleted."""

import pathlib
import shutil
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import templates, terraform  # noqa: E402
from support.hub import Hub, wait_until  # noqa: E402
from support.played_daemon import PlayedDaemon  # noqa: E402
from support.provisionerd import ProvisionerdOf  # noqa: E402

FILES = {"main.tf": "# nothing"}
MANIFEST = """provisioner = "{provisioner}"
[[parameters]]
name = "size"
[[parameters]]
name = "wipe"
type = "bool"
ephemeral = true
[[parameters]]
name = "note"
default = "none"
ephemeral = true
"""
SCRIPT = """
[[resources]]
type = "disk"
name = "home"
[[apply.start]]
log = "${parameter.size} ${parameter.wipe} ${parameter.note}"
[[apply.stop]]
log = "${parameter.size} ${parameter.wipe} ${parameter.note}"
[[apply.destroy]]
log = "${parameter.size} ${parameter.wipe} ${parameter.note}"
"""
MAIN = """
variable "size" { type = string }
variable "wipe" { type = bool }
variable "note" { type = string }
resource "terraform_data" "home" { input = "${var.size} ${var.wipe} ${var.note}" }
"""


class BuiltWorkspaces(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = cls.enterClassContext(Hub())

    def setUp(self):
        self.template = f"t-{uuid.uuid4().hex[:8]}"

    def get(self, path):
        return self.hub.get(path).expect(200)

    def delete(self, workspace, **query):
        words = "&".join(f"{name}={value}" for name, value in query.items())
        return self.hub.delete(f"/v1/workspaces/{workspace}?{words}").expect(202)["run"]["id"]

    def played(self):
        return self.enterContext(PlayedDaemon(self.hub, f"played-{uuid.uuid4().hex[:8]}"))

    def build(self, daemon):
        """A job at work for a workspace that is there."""
        daemon.push_template(self.template, FILES)
        job = daemon.build(self.template, f"w-{uuid.uuid4().hex[:8]}")
        daemon.complete_build(job)
        return job["workspace"]

    # ---- ephemeral parameters

    def live_and_die(self, provisioner, files):
        """Starts it with a value for what is ephemeral, stops it, starts it without one, and deletes it."""
        with ProvisionerdOf(self.hub, provisioners=(provisioner,)):
            pushed = templates.push(self.hub, self.template, files, provisioner)
            self.hub.await_completed(pushed["run"]["id"])
            first = {"size": "large", "wipe": "true", "note": "once"}
            body = {"name": f"w-{uuid.uuid4().hex[:8]}", "from_template": self.template, "parameters": first}
            made = self.hub.post("/v1/workspaces", body).expect(202)
            self.hub.await_completed(made["run"]["id"])
            path = f"/v1/workspaces/{made['workspace']['id']}"
            self.hub.await_completed(self.hub.post(path + "/stop").expect(202)["run"]["id"])
            refused = self.hub.post(path + "/start", {}).expect_error(400, "MISSING_TEMPLATE_PARAMETER")
            self.assertEqual(refused["details"]["names"], ["wipe"])
            again = self.hub.post(path + "/start", {"parameters": {"wipe": "false"}}).expect(202)
            self.hub.await_completed(again["run"]["id"])
            values = [
                (build["transition"], {value["name"]: value["value"] for value in build["parameters"]})
                for build in self.get(path + "/builds")
            ]
            second = {"size": "large", "wipe": "false", "note": "none"}
            self.assertEqual(values, [("start", second), ("stop", first), ("start", first)])
            self.hub.await_completed(self.delete(made["workspace"]["id"]))

    # RUN-24
    def test_what_has_ephemeral_parameters_can_be_stopped_and_deleted(self):
        manifest = MANIFEST.format(provisioner="scripted")
        self.live_and_die("scripted", {"template.toml": manifest, "script.toml": SCRIPT})

    @unittest.skipIf(shutil.which("terraform") is None, f"SKIPPED: {terraform.missing()}")
    def test_terraform_gets_a_value_for_what_is_ephemeral_whenever_it_runs(self):
        manifest = MANIFEST.format(provisioner="terraform")
        self.live_and_die("terraform", {"template.toml": manifest, "main.tf": MAIN})

    # ---- what cannot be destroyed

    def test_a_delete_that_waits_for_a_daemon_gives_way_to_one_that_leaves_everything_behind(self):
        workspace = self.build(self.played())
        self.hub.put(f"/v1/workspaces/{workspace}/state?reason=it+has+one", b"all that is known").expect(200)
        waiting = self.delete(workspace)  # nobody takes its job
        wait_until(lambda: self.get(f"/v1/jobs?runId={waiting}"), "the job is in line")
        self.assertEqual(self.delete(workspace), waiting)
        leaving = self.delete(workspace, orphan="true")
        self.assertNotEqual(leaving, waiting)
        self.hub.await_completed(leaving)
        self.assertEqual(self.hub.await_run(waiting)["status"], "cancelled")
        self.hub.get(f"/v1/workspaces/{workspace}").expect_error(404, "NOT_FOUND")
        # The state is the only record of what was left.
        self.assertEqual(len(self.get(f"/v1/workspaces/{workspace}/states")), 1)
        left = self.hub.get(f"/v1/workspaces/{workspace}/state")
        self.assertEqual((left.status, left.text), (200, "all that is known"))

    # ---- deleting what is at work

    def test_a_delete_that_leaves_everything_behind_is_one_however_often_it_is_asked_for(self):
        daemon = self.played()
        workspace = self.build(daemon)
        self.hub.post(f"/v1/workspaces/{workspace}/start", {}).expect(202)
        job = daemon.acquire()  # until it has ended, so has no delete
        leaving = self.delete(workspace, orphan="true")
        self.assertEqual(self.delete(workspace, orphan="true"), leaving)
        daemon.fail(job)
        self.hub.await_completed(leaving)

    def test_a_delete_waits_for_the_job_that_is_at_work(self):
        daemon = self.played()
        workspace = self.build(daemon)
        started = self.hub.post(f"/v1/workspaces/{workspace}/start", {}).expect(202)["run"]["id"]
        job = daemon.acquire()
        daemon.update(job, "apply")
        deleted = self.delete(workspace)
        wait_until(lambda: self.get(f"/v1/jobs/{job['id']}").get("cancelRequestedAt"), "it is asked to cancel")
        self.assertEqual(self.get(f"/v1/jobs?runId={deleted}"), [])
        body = {"fence": job["fence"], "dailyCost": 0}
        daemon.call(f"jobs/{job['id']}/commit-quota", body)
        self.hub.put(f"/v1/daemon/jobs/{job['id']}/state?fence={job['fence']}", b"made", key=daemon.key).expect(200)
        daemon.fail(job)
        self.hub.await_run(started)
        last = daemon.acquire()
        self.assertEqual(last["runId"], deleted)
        daemon.complete(last, build={"resources": [], "outputs": {}})
        self.hub.await_completed(deleted)


if __name__ == "__main__":
    unittest.main()
