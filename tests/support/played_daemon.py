"""A provisioner daemon that a test plays by hand: it registers, takes jobs and says what becomes of them.

    with PlayedDaemon(hub) as daemon:              # of a provisioner type that no other daemon has
        version = daemon.push_template("t", files={"main.tf": "…"})
        job = daemon.acquire()

What it has taken it holds, by a thread of its own, until it has said how it ended; what is left at the end fails.
"""

import contextlib
import hashlib
import io
import json
import tarfile
import threading
import uuid

from .hub import wait_until

API_VERSION = 1
BEAT_S = 3  # a lease is 15 s


def archive_of(files):
    """A tar with these texts by name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


class PlayedDaemon:
    def __init__(self, hub, provisioner="played"):
        self.hub = hub
        self.provisioner = provisioner
        self.key = hub.post("/v1/daemon-keys", {"name": f"played-{uuid.uuid4()}"}).expect(201)["key"]
        self.register()
        self._held = {}  # by id: the job and its phase
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)
        self._beats.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for job, _ in list(self._held.values()):
            with contextlib.suppress(AssertionError, OSError):
                self.fail(job)
                self.hub.await_run(job["runId"])
        self._ended.set()
        self._beats.join()

    def _beat(self):
        while not self._ended.wait(BEAT_S):
            for job, phase in list(self._held.values()):
                with contextlib.suppress(AssertionError, OSError):  # the hub may be away, or the job another's
                    self._say(job, phase)

    def register(self):
        self.id = self.call(
            "register",
            {"name": "played", "version": "0", "apiVersion": API_VERSION, "provisioners": [self.provisioner], "tags": {}, "runners": 9},
        )["daemonId"]

    def call(self, path, body):
        return self.hub.post(f"/v1/daemon/{path}", body, key=self.key).expect(200)

    def acquire(self):
        """The next job of ours."""

        def take():
            body = {"daemonId": self.id, "token": str(uuid.uuid4()), "waitMs": 1000, "draining": False}
            return self.call("acquire", body).get("job")

        job = wait_until(take, "a job comes")
        job["runId"] = "run_" + job["id"].removeprefix("job_")
        self._held[job["id"]] = (job, "setup")
        return job

    def update(self, job, phase="setup", **more):
        self._held[job["id"]] = (job, phase)
        return self._say(job, phase, **more)

    def _say(self, job, phase, **more):
        body = {"fence": job["fence"], "phase": phase, "repeatable": False, "firstLog": job["nextLog"], "logs": [], **more}
        return self.call(f"jobs/{job['id']}/update", body)

    def complete(self, job, **outcome):
        self._held.pop(job["id"], None)
        return self.call(f"jobs/{job['id']}/complete", {"fence": job["fence"], "timings": [], **outcome})

    def fail(self, job, code="FAILED", error_class="user", message="it did not work", cancelled=False):
        self._held.pop(job["id"], None)
        body = {"fence": job["fence"], "code": code, "errorClass": error_class, "message": message}
        return self.call(
            f"jobs/{job['id']}/fail", {**body, "cancelled": cancelled, "resources": [], "timings": []}
        )

    # ---- whole stories

    def push(self, template, files, **fields):
        archive = archive_of(files)
        digest = hashlib.sha256(archive).hexdigest()
        self.hub.put(f"/v1/blobs/{digest}", archive).expect(200)
        body = {"archive": digest, "provisioner": self.provisioner, **fields}
        return self.hub.post(f"/v1/templates/{template}/versions", body).expect(202)

    def push_template(self, template, files, parsed=None, daily_cost=0, **fields):
        """Pushes it and carries out its import."""
        accepted = self.push(template, files, **fields)
        job = self.acquire()
        self.update(job, "parse", parsed={"variables": [], "parameters": [], "readme": "", "tags": {}, **(parsed or {})})
        resource = {"address": "a.b", "type": "a", "name": "b", "action": "create", "dailyCost": daily_cost, "details": {}}
        self.complete(
            job,
            templateImport={
                "startResources": [resource], "stopResources": [], "startDailyCost": daily_cost, "stopDailyCost": 0,
            },
        )  # fmt: skip
        self.hub.await_completed(accepted["run"]["id"])
        return accepted["version"]

    def build(self, template, workspace, **fields):
        """Asks for a workspace, and gives the job that is to make it."""
        body = {"name": workspace, "from_template": template, **fields}
        accepted = self.hub.post("/v1/workspaces", body).expect(202)
        job = self.acquire()
        job["run"] = accepted["run"]["id"]
        job["workspace"] = accepted["workspace"]["id"]
        return job

    def complete_build(self, job, **outcome):
        self.complete(job, build={"resources": [], "outputs": {}, **outcome})
        self.hub.await_completed(job["run"])

    def __repr__(self):
        return json.dumps({"daemon": self.id, "provisioner": self.provisioner})
