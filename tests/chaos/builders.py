"""Users who build workspaces from templates over several hubs, one build after the other, whatever dies meanwhile; some
cut a build short. They remember what they were told."""

import collections
import random
import threading
import time
import uuid

LOOK_EVERY_S = 0.4
FINAL = ("completed", "failed", "cancelled")
ENDED = {"succeeded": "completed", "failed": "failed", "cancelled": "cancelled"}  # a build's status, and its run's


class Orders:
    """How many builds are still to be asked for, by all builders together."""

    def __init__(self, count):
        self.left = count
        self.lock = threading.Lock()

    def take(self):
        with self.lock:
            self.left -= 1
            return self.left >= 0


class Told:
    """What all builders were told, and what they saw."""

    def __init__(self):
        self.lock = threading.Lock()
        self.builds = {}  # id → what became of it
        self.pending = collections.Counter()  # reasons that jobs gave for waiting
        self.unexplained = []
        self.cancels = collections.Counter()
        self.workspaces = {}  # id → the template's name; also of those that are gone

    def saw_pending(self, job):
        waits = job.get("pending") or {}
        with self.lock:
            if waits.get("reason") and waits.get("explanation"):
                self.pending[waits["reason"]] += 1
            else:
                self.unexplained.append(job)


class Builder(threading.Thread):
    """`choose(random)` gives the name of a template for each new workspace. Of `cancels` builds, one is cancelled."""

    def __init__(self, name, hubs, key, orders, told, choose, cancels, seed, patience_s):
        super().__init__(name=name, daemon=True)
        self.hubs, self.key, self.orders, self.told, self.choose = hubs, key, orders, told, choose
        self.cancels = cancels
        self.random = random.Random(seed)
        self.patience_s = patience_s
        self.workspace = None
        self.number = 0
        self.doing = "nothing yet"
        self.failure = None

    def run(self):
        try:
            while self.orders.take():
                self.build()
        except BaseException as error:  # told to the test, which stops everything
            self.failure = error

    # ---- one build

    def build(self):
        verb, path, body = self.next_wish()
        self.doing = f"{verb} of {self.name}-{self.number}"
        method = "DELETE" if verb == "delete" else "POST"
        accepted = self.insist(method, path, body, (202,)).data
        run = accepted["run"]["id"]
        if verb == "create":
            self.workspace = accepted["workspace"]["id"]
            with self.told.lock:
                self.told.workspaces[self.workspace] = body["from_template"]
        builds = self.insist("GET", f"/v1/workspaces/{self.workspace}/builds?limit=5").data
        build = next(build["id"] for build in builds if build["runId"] == run)
        self.doing += f", build {build}, run {run}"
        cancel_at = None
        if self.random.randrange(self.cancels) == 0:
            cancel_at = time.monotonic() + self.random.choice((0, 0.3, 1, 2, 4)) * self.random.random()
        self.follow(verb, build, run, cancel_at)

    def next_wish(self):
        if self.workspace is None:
            self.number += 1
            template = self.choose(self.random)
            body = {"name": f"{self.name}-{self.number}", "from_template": template, "parameters": self.parameters()}
            return "create", "/v1/workspaces", body
        path = f"/v1/workspaces/{self.workspace}"
        status = self.insist("GET", path).data["status"]
        verbs = ["start", "start", "delete"] if status == "SUSPENDED" else ["start", "stop", "stop", "delete"]
        verb = self.random.choice(verbs)
        if verb == "delete":
            return verb, path, None
        return verb, f"{path}/{verb}", {"parameters": self.parameters()} if verb == "start" else None

    def parameters(self):
        is_mistake = self.random.random() < 0.08
        return {
            "machines": str(self.random.randint(1, 3)),
            "size": self.random.choice(("small", "large")),
            "pause": str(self.random.choice((0, 100, 300, 1000))),
            "mistake": "create" if is_mistake else "",
        }

    def follow(self, verb, build, run, cancel_at):
        deadline = time.monotonic() + self.patience_s
        cancelled = False
        while True:
            seen = self.insist("GET", f"/v1/builds/{build}").data
            if seen["status"] in ENDED:
                break
            if seen["status"] == "pending" and seen.get("jobId"):
                job = self.insist("GET", f"/v1/jobs/{seen['jobId']}").data
                if job["status"] == "pending":
                    self.told.saw_pending(job)
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {self.patience_s} s in vain for {self.doing}: {seen}")
            if cancel_at is not None and time.monotonic() >= cancel_at and not cancelled:
                cancelled = self.insist("POST", f"/v1/builds/{build}/cancel", None, (202, 409)).status == 202
                cancel_at = cancel_at if cancelled else None
            time.sleep(LOOK_EVERY_S)
        self.await_run(run, deadline)
        if verb == "delete" and seen["status"] == "succeeded":
            self.workspace = None
        with self.told.lock:
            self.told.builds[build] = {"verb": verb, "status": seen["status"], "run": run, "job": seen.get("jobId"),
                                       "error": (seen.get("error") or {}).get("code"), "cancelled": cancelled}  # fmt: skip
            if cancelled:
                self.told.cancels[seen["status"]] += 1

    def await_run(self, run, deadline):
        while True:
            seen = self.insist("GET", f"/v1/workflows/runs/{run}").data
            if seen["status"] in FINAL:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"the run of {self.doing} does not end: {seen}")
            time.sleep(LOOK_EVERY_S)

    # ---- asking until it is answered

    def insist(self, method, path, body=None, statuses=(200,)):
        """Asks one hub, then another, until one answers: same key, same body."""
        headers = {"Idempotency-Key": str(uuid.UUID(int=self.random.getrandbits(128), version=4))}
        deadline = time.monotonic() + self.patience_s
        while True:
            hub = self.random.choice(self.hubs)
            try:
                answer = hub.request(method, path, body, headers=headers if method != "GET" else (), key=self.key)
                if answer.status in statuses and not self.is_passing(answer):
                    return answer
                if answer.status != 503 and not self.is_passing(answer):
                    raise AssertionError(f"{method} {path} {body}: {answer.status} {answer.text[:1000]}")
                last = answer.text[:500]
            except OSError as error:
                last = repr(error)
            if time.monotonic() > deadline:
                raise AssertionError(f"no answer to {method} {path}: {last}")
            time.sleep(0.1)

    @staticmethod
    def is_passing(answer):
        return answer.status == 409 and answer.error["code"] == "IDEMPOTENCY_KEY_IN_PROGRESS"
