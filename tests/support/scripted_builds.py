"""Builds whose machines are files in a folder, and which wait half way for the test. Mixed into a test case."""

import hashlib
import uuid

from .hub import wait_until
from .played_daemon import archive_of

# A machine and a disk as files in a folder; between them there is time for a test to do something. The gate is opened by
# the test: however slow it is, what it waits for cannot be over before.
SCRIPT = """
world = "{world}"
[[resources]]
type = "disk"
name = "home"
[[resources]]
type = "machine"
name = "main"
on = ["start"]
[outputs]
greeting = "hello"
[[apply.start]]
make = 1
[[apply.start]]
log = "half of it is there"
[[apply.start]]
delay = "{pace}"
[[apply.start]]
hang = {hang}
"""
GATE = """
[[apply.start]]
until = "{world}/.open"
"""


class ScriptedBuilds:
    def push(self, hub, pace="0s", hang=False, gated=False):
        """Pushes a template with a folder of its own to make things in; gives its name and the folder. `gated`: half way,
        builds wait for `open_gate`."""
        name, world, run = self.begin_push(hub, pace, hang, gated)
        hub.await_completed(run)
        return name, world

    def begin_push(self, hub, pace="0s", hang=False, gated=False, files=None):
        """The same, not waiting for the import; gives its run too. `files`: more of them."""
        name = f"t-{uuid.uuid4().hex[:8]}"
        world = hub.folder / "worlds" / name
        world.mkdir(parents=True)
        script = SCRIPT.format(world=world, pace=pace, hang="true" if hang else "false")
        if gated:
            script += GATE.format(world=world)
        archive = archive_of({"script.toml": script, "template.toml": 'provisioner = "scripted"\n', "README.md": "# It"} | (files or {}))
        digest = hashlib.sha256(archive).hexdigest()
        hub.put(f"/v1/blobs/{digest}", archive).expect(200)
        body = {"archive": digest, "provisioner": "scripted"}
        accepted = hub.post(f"/v1/templates/{name}/versions", body).expect(202)
        return name, world, accepted["run"]["id"]

    @staticmethod
    def open_gate(world):
        """For good: what is built there from now on does not wait."""
        (world / ".open").touch()

    def create(self, hub, template):
        body = {"name": f"w-{uuid.uuid4().hex[:8]}", "from_template": template}
        return hub.post("/v1/workspaces", body).expect(202)["run"]["id"]

    def job_of(self, hub, run):
        return wait_until(lambda: hub.get(f"/v1/jobs?runId={run}").expect(200), "the run has a job")[0]

    def job(self, hub, job):
        return hub.get(f"/v1/jobs/{job}").expect(200)

    def lines(self, hub, job):
        return hub.get(f"/v1/jobs/{job}/logs").expect(200)["lines"]

    def await_half(self, hub, run):
        """Until the build is in the middle of its apply; gives its job."""
        job = self.job_of(hub, run)["id"]
        outputs = lambda: [line["output"] for line in self.lines(hub, job)]  # noqa: E731
        wait_until(lambda: "half of it is there" in outputs(), "the apply is half way")
        return job

    def await_status(self, hub, job, *statuses):
        return wait_until(
            lambda: (found := self.job(hub, job))["status"] in statuses and found, f"job {job} is {statuses}"
        )

    def assert_made_once(self, world):
        """The disk and the machine are there, and nothing was ever made twice."""
        journal = (world / "journal").read_text().splitlines()
        created = sorted(line.split()[1] for line in journal if line.startswith("create "))
        there = sorted(path.name for path in world.iterdir() if path.name[0] != "." and path.name != "journal")
        self.assertEqual((len(there), created), (2, there))
