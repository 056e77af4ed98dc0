"""A daemon that is killed and started again in its old folder at once, as systemd does, while what it had begun is still
at work there (RUN-12, RUN-15, RUN-17)."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import terraform  # noqa: E402
from support.hub import Hub, wait_until  # noqa: E402
from support.provisionerd import ProvisionerdOf  # noqa: E402
from support.scripted_builds import ScriptedBuilds  # noqa: E402
from support.terraform import Provider  # noqa: E402
from support.terraform_builds import TerraformBuilds  # noqa: E402


@unittest.skipIf(terraform.missing(), f"SKIPPED: {terraform.missing()}")
class Again(ScriptedBuilds, TerraformBuilds, unittest.TestCase):
    def test_what_the_killed_one_made_is_in_the_state(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="slipway-again-")))
        self.hub = self.enterContext(Hub())
        self.provider = Provider(folder)
        gate = folder / "go-on"
        with ProvisionerdOf(self.hub, provisioners=["terraform"], environment=self.provider.environment()) as daemon:
            template = self.push_machines(gate=str(gate), fail="stop-deaf")
            workspace, run = self.build(template)
            job = self.job_of(self.hub, run)["id"]
            self.await_begun("b")
            daemon.kill()
            daemon.start()
            gate.touch()
            self.assertEqual(self.hub.await_run(run, patience_s=180)["status"], "completed")
            self.assertEqual(self.job(self.hub, job)["attempt"], 2)
            self.assert_made_once_by_terraform(workspace)
            sessions = daemon.folder / "work" / "sessions"
            wait_until(lambda: not list(sessions.iterdir()), "the folder of the killed one's session goes, too", 180)


if __name__ == "__main__":
    unittest.main()
