"""Users who make, stop, start and delete workspaces of one hub, whatever happens to it, and know what they were told."""

import random
import threading
import uuid

from support.hub import PATIENCE_S, wait_until

# What may be done in a state, and which state it leads to.
MOVES = {
    "ABSENT": {"create": "READY"},
    "READY": {"stop": "SUSPENDED", "delete": "ABSENT"},
    "SUSPENDED": {"start": "READY", "delete": "ABSENT"},
}


class User(threading.Thread):
    """Does one thing after the other with the workspace `name` until told to stop, over all deaths of the hub."""

    def __init__(self, hub, name, seed):
        super().__init__(name=name, daemon=True)
        self.hub = hub
        self.random = random.Random(seed)
        self.state = "ABSENT"
        self.workspace = None
        self.machines = set()  # names of all machines it ever had
        self.done = 0
        self.failure = None
        self.working = threading.Event()
        self.resting = threading.Event()
        self.ended = False

    def run(self):
        try:
            while not self.ended:
                if not self.working.is_set():
                    self.resting.set()
                    self.working.wait(0.05)
                    continue
                self.resting.clear()
                self.move()
        except BaseException as error:  # told to the test, which stops everything
            self.failure = error
            self.resting.set()

    def move(self):
        moves = MOVES[self.state]
        verb = self.random.choice(sorted(moves))
        key = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        accepted = self.insist(verb, key)
        if verb == "create":
            self.workspace = accepted["workspace"]["id"]
            self.machines.add(accepted["workspace"]["instance_name"])
        self.await_end(verb, accepted["run"]["id"])
        if verb == "create":
            again = self.insist(verb, key)
            if again["workspace"]["id"] != self.workspace or again["run"]["id"] != accepted["run"]["id"]:
                raise AssertionError(f"the same create made {self.workspace} and then {again['workspace']['id']}")
        self.state = moves[verb]
        self.done += 1

    def insist(self, verb, key):
        """Sends the request until it is answered, as a client does: same key, same body."""
        headers = {"Idempotency-Key": key}
        path = f"/v1/workspaces/{self.workspace}"

        def send():
            try:
                if verb == "create":
                    answer = self.hub.post("/v1/workspaces", {"name": self.name}, headers=headers)
                elif verb == "delete":
                    answer = self.hub.delete(path, headers=headers)
                else:
                    answer = self.hub.post(f"{path}/{verb}", headers=headers)
            except OSError:
                return None
            if answer.status == 503 or (answer.status == 409 and answer.error["code"] == "IDEMPOTENCY_KEY_IN_PROGRESS"):
                return None
            return answer

        answer = wait_until(send, f"an answer to {verb} {self.name}", PATIENCE_S * 2)
        return answer.expect(202)

    def await_end(self, verb, run_id):
        def look():
            try:
                answer = self.hub.get(f"/v1/workflows/runs/{run_id}")
            except OSError:
                return None
            if answer.status == 503:
                return None
            run = answer.expect(200)
            return run if run["status"] in ("completed", "failed", "cancelled") else None

        run = wait_until(look, f"{verb} of {self.name} ({run_id}) ends", PATIENCE_S * 2)
        if run["status"] != "completed":
            raise AssertionError(f"{verb} of {self.name}: {run}")


class Crowd:
    """Several users of one hub. `test` is whose assertions it uses; `words` name the run in failures."""

    def __init__(self, test, hub, machines, count, choice, words):
        self.test = test
        self.hub = hub
        self.machines = machines
        self.words = words
        self.users = [User(hub, f"user{i}", choice.getrandbits(64)) for i in range(count)]
        for user in self.users:
            user.start()

    def work(self):
        for user in self.users:
            user.working.set()

    def rest(self):
        """Returns when everybody's last wish has been fulfilled."""
        for user in self.users:
            user.working.clear()
        for user in self.users:
            wait_until(user.resting.is_set, f"{user.name} rests", PATIENCE_S * 4)
        self.fail_with_users()

    def end(self):
        for user in self.users:
            user.ended = True
            user.join(PATIENCE_S)

    def changes(self):
        return sum(user.done for user in self.users)

    def fail_with_users(self):
        for user in self.users:
            if user.failure:
                raise AssertionError(f"{self.words}, {user.name}: {user.failure}\n{self.hub.log_tail()}") from user.failure

    def check(self):
        """The users rest: everything must be as they were told."""
        expected = {user.name: user.state for user in self.users if user.state != "ABSENT"}
        listed = {workspace["name"]: workspace for workspace in self.hub.workspaces()}
        self.test.assertEqual({name: record["status"] for name, record in listed.items()}, expected)
        self.test.assertEqual([record.get("run_id") for record in listed.values()], [None] * len(listed))

        instances = {name: record["instance_name"] for name, record in listed.items()}
        self.test.assertEqual(self.machines.folders(), sorted(instances.values()), "folders of machines")
        running = {instances[name] for name, state in expected.items() if state == "READY"}
        sandboxes = self.machines.sandboxes()
        self.test.assertEqual({name: len(namespaces) for name, namespaces in sandboxes.items()}, dict.fromkeys(running, 1))

        for name, record in listed.items():
            status = self.hub.get(f"/v1/workspaces/{record['id']}/status").expect(200)
            self.test.assertTrue(status["agrees"], f"{name}: {status}")
        gone = set().union(*(user.machines for user in self.users)) - running
        wait_until(lambda: not any(self.machines.cgroups(name) for name in gone), "no control group is left")
        strays = {
            pid: command for pid, command in self.machines.processes().items() if any(name in command for name in gone)
        }
        self.test.assertEqual(strays, {}, "processes of machines that should not run")

    def delete_all(self):
        for user in self.users:
            if user.state != "ABSENT":
                accepted = self.hub.delete(f"/v1/workspaces/{user.workspace}").expect(202)
                self.hub.await_completed(accepted["run"]["id"])
                user.state = "ABSENT"
