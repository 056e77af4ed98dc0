"""No space left: for the daemon that fetches a template or writes a state, and for the hub that is to hear how it ended.
What is told then names the reason, and all goes on when there is space again (RUN-12, RUN-13)."""

import contextlib
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402
from support.provisionerd import ProvisionerdOf  # noqa: E402
from support.scripted_builds import ScriptedBuilds  # noqa: E402


class SmallDisk:
    """A file system of a few megabytes."""

    SIZE = 24 << 20

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="slipway-full-")
        self.path = pathlib.Path(self.folder.name) / "disk"
        self.path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.SIZE}", "tmpfs", self.path], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)
        self.folder.cleanup()

    def fill(self):
        with open(self.path / "filler", "wb", buffering=0) as filler:
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        filler.write(b"x" * size)

    def free(self):
        (self.path / "filler").unlink()


@unittest.skipUnless(os.geteuid() == 0, "mounting a small disk needs root")
class FullDisk(ScriptedBuilds, unittest.TestCase):
    def setUp(self):
        self.disk = self.enterContext(SmallDisk())

    def test_a_template_that_does_not_fit_is_fetched_when_there_is_space_again(self):
        with Hub() as hub, ProvisionerdOf(hub, work=self.disk.path / "work"):
            template, world = self.push(hub)
            self.disk.fill()
            run = self.create(hub, template)
            wait_until(lambda: self.job_of(hub, run)["status"] == "running", "the job is taken")
            self.assertNotEqual(hub.run(run)["status"], "completed")
            self.disk.free()
            hub.await_completed(run)
            self.assert_made_once(world)

    # RUN-12: nothing is made that no state knows of.
    def test_a_state_that_does_not_fit_ends_the_build_with_the_reason_and_the_next_one_mends_it(self):
        with Hub() as hub, ProvisionerdOf(hub, work=self.disk.path / "work"):
            template, world = self.push(hub, gated=True)
            run = self.create(hub, template)
            self.await_half(hub, run)
            self.disk.fill()
            self.open_gate(world)
            ended = hub.await_run(run)
            self.disk.free()
            self.assertEqual(ended["status"], "failed")
            self.assertRegex(ended["error"]["message"], "[Nn]o space left")
            workspace = hub.workspaces()[0]["id"]
            again = hub.post(f"/v1/workspaces/{workspace}/start", {}).expect(202)
            hub.await_completed(again["run"]["id"])
            self.assert_made_once(world)

    def use_up(self, hub):
        """Also what is still free inside of the database's files, of which a write that fails may free some more."""
        is_full = False
        while not is_full:
            is_full = True
            for size in (1 << 18, 1 << 14, 1 << 10):
                while (answer := self.put_blob(hub, size)).status == 200:
                    is_full = False
                answer.expect_error(503, "STORE_FULL")

    @staticmethod
    def put_blob(hub, size):
        content = os.urandom(size)
        return hub.put(f"/v1/blobs/{hashlib.sha256(content).hexdigest()}", content)

    @staticmethod
    def refused(hub):
        """How often what a daemon said of its jobs was."""
        calls = re.findall(r'route="/v1/daemon/jobs/:id/\w+",status="503"} (\d+)', hub.get("/metrics", key=None).text)
        return sum(map(int, calls))

    # RUN-13
    def test_the_end_of_a_build_waits_for_space_at_the_hub(self):
        with Hub(data=self.disk.path / "data", options=["--open-metrics"]) as hub, ProvisionerdOf(hub):
            template, world = self.push(hub, gated=True)
            run = self.create(hub, template)
            self.await_half(hub, run)
            self.disk.fill()
            self.use_up(hub)
            self.open_gate(world)
            things = lambda: [p for p in world.iterdir() if p.name[0] != "." and p.name != "journal"]  # noqa: E731
            wait_until(lambda: len(things()) == 2, "all is made")
            # Its state, its last lines, its end: what little space is left decides which is refused first. One more may
            # have been under way.
            before = self.refused(hub)
            wait_until(lambda: self.refused(hub) > before + 1, "the daemon said it, and was put off")
            self.assertNotEqual(hub.run(run)["status"], "completed")
            self.disk.free()
            hub.await_completed(run)
            self.assert_made_once(world)


if __name__ == "__main__":
    unittest.main()
