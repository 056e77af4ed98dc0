"""The hub as the state backend of real Terraform: what is applied is kept while it is applied, whoever is killed."""

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

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402
from support.played_daemon import PlayedDaemon  # noqa: E402

TERRAFORM = os.environ.get("SLIPWAY_TERRAFORM") or shutil.which("terraform")
# `wait` names a file: the second thing, which says by another that it has begun, is made once that is there.
CONFIGURATION = """
terraform {
  backend "http" {}
}
variable "wait" { default = "" }
resource "terraform_data" "first" { input = "one" }
resource "terraform_data" "second" {
  input      = var.wait
  depends_on = [terraform_data.first]
  provisioner "local-exec" {
    command = "[ -z \\"$WAIT\\" ] || touch \\"$WAIT.begun\\"; while [ -n \\"$WAIT\\" ] && [ ! -e \\"$WAIT\\" ]; do sleep 0.05; done"
    environment = { WAIT = var.wait }
  }
}
"""
ALL = ["terraform_data.first", "terraform_data.second"]


class Work:
    """A folder in which Terraform works for one job, as a daemon would have it do."""

    def __init__(self, test, hub, job, token=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-terraform-"))
        test.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "main.tf").write_text(CONFIGURATION)
        address = f"http://127.0.0.1:{hub.port}/v1/terraform/jobs/{job['id']}/state"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TF_CLI_CONFIG_FILE": "/dev/null",
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "TF_HTTP_ADDRESS": address,
            "TF_HTTP_LOCK_ADDRESS": address,
            "TF_HTTP_UNLOCK_ADDRESS": address,
            "TF_HTTP_USERNAME": "job",
            "TF_HTTP_PASSWORD": token or job["stateToken"],
            "TF_HTTP_RETRY_MAX": "20",
            "TF_HTTP_RETRY_WAIT_MIN": "1",
            "TF_HTTP_RETRY_WAIT_MAX": "1",
        }

    def start(self, *words):
        return subprocess.Popen(
            [TERRAFORM, *words, "-no-color"], cwd=self.folder, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def run(self, *words):
        """The exit code and what was said."""
        process = self.start(*words)
        said, _ = process.communicate(timeout=120)
        return process.returncode, said

    def succeed(self, *words):
        code, said = self.run(*words)
        if code != 0:
            raise AssertionError(f"terraform {' '.join(words)} ended with {code}:\n{said}")
        return said


def kill_group(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


class TerraformStateTest(unittest.TestCase):
    def setUp(self):
        self.assertTrue(TERRAFORM, "Terraform is needed: set SLIPWAY_TERRAFORM, or put it into the PATH")
        self.hub = Hub().__enter__()
        self.addCleanup(self.hub.__exit__, None, None, None)
        self.daemon = PlayedDaemon(self.hub)
        self.addCleanup(self.daemon.__exit__, None, None, None)
        self.daemon.push_template("t", {"main.tf": CONFIGURATION})
        self.job = self.daemon.build("t", "w")
        self.daemon.update(self.job, "apply")
        self.work = Work(self, self.hub, self.job)
        self.work.succeed("init")

    def states(self):
        return self.hub.get(f"/v1/workspaces/{self.job['workspace']}/states").expect(200)

    def addresses(self):
        """Of what is in the newest state."""
        answer = self.hub.get(f"/v1/workspaces/{self.job['workspace']}/state")
        if answer.status == 404:
            return []
        return [f"{item['type']}.{item['name']}" for item in answer.json["resources"]]

    def begin_apply(self):
        """An apply that has made the first thing, and makes the second until it is let go."""
        gate = self.work.folder / "go-on"
        process = self.work.start("apply", "-auto-approve", f"-var=wait={gate}")
        self.addCleanup(lambda: process.poll() is None and kill_group(process))
        # Told to end between the two, Terraform would not begin the second.
        wait_until(lambda: gate.with_name(gate.name + ".begun").exists(), "the second is being made")
        return process, gate

    # RUN-12
    def test_apply_and_destroy_keep_their_state_in_the_hub(self):
        self.work.succeed("apply", "-auto-approve")
        self.assertEqual(self.addresses(), ALL)
        self.assertFalse((self.work.folder / "terraform.tfstate").exists())
        self.assertIn("No changes", self.work.succeed("plan"))
        self.work.succeed("destroy", "-auto-approve")
        self.assertEqual(self.addresses(), [])

    def test_the_next_build_begins_with_it_and_has_a_state_of_its_own(self):
        self.work.succeed("apply", "-auto-approve")
        self.daemon.complete_build(self.job)
        first = self.job
        accepted = self.hub.post(f"/v1/workspaces/{first['workspace']}/stop", {}).expect(202)
        job = self.daemon.acquire()
        self.assertTrue(job["hasState"])
        work = Work(self, self.hub, job)
        work.succeed("init")
        self.assertIn("No changes", work.succeed("plan"))
        work.succeed("destroy", "-auto-approve")
        self.assertEqual([state["buildNumber"] for state in self.states()], [2, 1])
        self.daemon.complete(job, build={"resources": [], "outputs": {}})
        self.hub.await_completed(accepted["run"]["id"])

    def test_a_second_apply_is_refused_with_the_name_of_the_first(self):
        process, gate = self.begin_apply()
        other = Work(self, self.hub, self.job)
        other.succeed("init")
        code, said = other.run("apply", "-auto-approve")
        self.assertNotEqual(code, 0)
        self.assertIn("Error acquiring the state lock", said)
        self.assertIn("OperationTypeApply", said)
        gate.touch()
        said, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, said)
        self.assertEqual(self.addresses(), ALL)

    # Terraform does not send the id that it is given: whoever has the job's token may.
    def test_a_lock_that_was_left_can_be_taken_away(self):
        process, _ = self.begin_apply()
        kill_group(process)
        code, said = self.work.run("plan")
        self.assertNotEqual(code, 0)
        lock = re.search(r"locked:\s+ID=(\S+)", said).group(1)
        self.work.succeed("force-unlock", "-force", lock)
        self.work.succeed("plan")

    def begin_anew(self):
        """The daemon has given up, and the workspace is started again: the folder and the job of that."""
        self.daemon.fail(self.job)
        self.assertEqual(self.hub.await_run(self.job["run"])["status"], "failed")
        self.hub.post(f"/v1/workspaces/{self.job['workspace']}/start", {}).expect(202)
        job = self.daemon.acquire()
        work = Work(self, self.hub, job)
        work.succeed("init")
        return work, job

    # RUN-12, RUN-15: the known daemon loses what was made.
    def test_what_was_made_before_terraform_was_told_to_end_is_known_to_the_next_build(self):
        process, _ = self.begin_apply()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertIn("terraform_data.first", self.addresses())
        work, job = self.begin_anew()
        self.assertIn("1 added, 0 changed, 1 destroyed", work.succeed("apply", "-auto-approve"))
        self.daemon.complete(job, build={"resources": [], "outputs": {}})

    def test_the_lock_of_a_terraform_that_was_killed_stands_in_nobodys_way(self):
        process, _ = self.begin_apply()
        kill_group(process)
        work, job = self.begin_anew()
        work.succeed("apply", "-auto-approve")
        self.assertEqual(self.addresses(), ALL)
        self.daemon.complete(job, build={"resources": [], "outputs": {}})

    def test_a_wrong_token_opens_nothing(self):
        for token in ("wrong", self.job["stateToken"][:-1] + "x", "sls_99" + self.job["stateToken"][5:]):
            code, said = Work(self, self.hub, self.job, token).run("init")
            self.assertNotEqual(code, 0)
            self.assertIn("auth", said)

    # RUN-3
    def test_a_job_that_has_ended_is_shut_out(self):
        self.work.succeed("apply", "-auto-approve")
        self.daemon.complete_build(self.job)
        code, said = self.work.run("apply", "-auto-approve", "-var=wait=/")
        self.assertNotEqual(code, 0)
        self.assertIn("JOB_LEASE_LOST", said)
        self.assertEqual(self.addresses(), ALL)

    def test_a_hub_that_is_killed_and_started_again_has_lost_nothing(self):
        process, gate = self.begin_apply()
        self.hub.kill()
        gate.touch()
        self.hub.start()
        said, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, said)
        self.assertEqual(self.addresses(), ALL)

    # A state may be mended without a build.
    def test_a_state_that_an_admin_pushes_is_what_the_next_build_begins_with(self):
        self.work.succeed("apply", "-auto-approve")
        path = f"/v1/workspaces/{self.job['workspace']}/state"
        mended = self.hub.get(path).json
        mended["resources"] = mended["resources"][:1]
        self.hub.put(f"{path}?reason=gone", json.dumps(mended)).expect_error(409, "CONFLICT")
        self.daemon.complete_build(self.job)
        self.hub.put(path, json.dumps(mended)).expect_error(400, "VALIDATION_ERROR")
        self.hub.put(f"{path}?reason=gone", json.dumps(mended)).expect(200)
        accepted = self.hub.post(f"/v1/workspaces/{self.job['workspace']}/stop", {}).expect(202)
        job = self.daemon.acquire()
        work = Work(self, self.hub, job)
        work.succeed("init")
        self.assertIn("1 to add", work.succeed("plan"))
        self.daemon.fail(job)
        self.hub.await_run(accepted["run"]["id"])


if __name__ == "__main__":
    unittest.main()
