#!/usr/bin/env python3
"""The hub is killed with SIGKILL a few hundred times, at random moments of creates, stops, starts and deletes.

Real processes and real sandboxes. Several users work at once, each on a workspace of its own, and repeat a request that
got no answer under the same Idempotency-Key. Now and then the killing pauses, all runs end, and what the store, the
kernel and the disk say is compared with what the users were told.

SLIPWAY_KILLS: how many kills (default 300). SLIPWAY_KILL_SECONDS: stop earlier after so long (default 240).
SLIPWAY_SEED: repeats the same choices (not the same interleaving).
"""

import os
import random
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from support.hub import PATIENCE_S, Hub, wait_until  # noqa: E402
from support.machines import Machines  # noqa: E402

KILLS = int(os.environ.get("SLIPWAY_KILLS", "300"))
SECONDS_MAX = float(os.environ.get("SLIPWAY_KILL_SECONDS", "240"))
SEED = int(os.environ.get("SLIPWAY_SEED", random.randrange(1 << 32)))
USERS = 3
KILLS_PER_ROUND = 25
UPTIME_MAX_S = 0.5  # about as long as one create: every moment of it is hit

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


class Killing(unittest.TestCase):
    def test_nothing_is_lost_doubled_or_left_behind_at_whatever_moment_the_hub_is_killed(self):
        print(f"seed {SEED}", flush=True)
        choice = random.Random(SEED)
        with Hub() as hub:
            machines = Machines(hub.data)
            users = [User(hub, f"user{i}", choice.getrandbits(64)) for i in range(USERS)]
            for user in users:
                user.start()
            kills = 0
            try:
                deadline = time.monotonic() + SECONDS_MAX
                while kills < KILLS and time.monotonic() < deadline:
                    kills += self.kill_round(hub, users, choice, min(KILLS_PER_ROUND, KILLS - kills))
                    self.check(hub, users, machines)
            finally:
                for user in users:
                    user.ended = True
                    user.join(PATIENCE_S)
            print(f"{kills} kills, {sum(user.done for user in users)} changes", flush=True)
            self.delete_all(hub, users)
            self.check(hub, users, machines)
        self.assertEqual(machines.processes(), {}, "processes are left")

    def kill_round(self, hub, users, choice, kills):
        """Kills the hub so often while all users work; returns when it is up again and all of them rest."""
        for user in users:
            user.working.set()
        for _ in range(kills):
            # Also before it serves: recovery is a moment like any other.
            hub.start(wait=False) if not hub.is_running() else None
            time.sleep(choice.uniform(0, UPTIME_MAX_S))
            hub.kill()
            self.fail_with_users(hub, users)
        hub.start()
        for user in users:
            user.working.clear()
        for user in users:
            wait_until(user.resting.is_set, f"{user.name} rests", PATIENCE_S * 4)
        self.fail_with_users(hub, users)
        return kills

    def fail_with_users(self, hub, users):
        for user in users:
            if user.failure:
                raise AssertionError(f"seed {SEED}, {user.name}: {user.failure}\n{hub.log_tail()}") from user.failure

    def check(self, hub, users, machines):
        """The users rest: everything must be as they were told."""
        expected = {user.name: user.state for user in users if user.state != "ABSENT"}
        listed = {workspace["name"]: workspace for workspace in hub.workspaces()}
        self.assertEqual({name: record["status"] for name, record in listed.items()}, expected)
        self.assertEqual([record.get("run_id") for record in listed.values()], [None] * len(listed))

        instances = {name: record["instance_name"] for name, record in listed.items()}
        self.assertEqual(machines.folders(), sorted(instances.values()), "folders of machines")
        running = {instances[name] for name, state in expected.items() if state == "READY"}
        sandboxes = machines.sandboxes()
        self.assertEqual({name: len(namespaces) for name, namespaces in sandboxes.items()}, dict.fromkeys(running, 1))

        for name, record in listed.items():
            status = hub.get(f"/v1/workspaces/{record['id']}/status").expect(200)
            self.assertTrue(status["agrees"], f"{name}: {status}")
        gone = set().union(*(user.machines for user in users)) - running
        wait_until(lambda: not any(machines.cgroups(name) for name in gone), "no control group is left")
        strays = {
            pid: command for pid, command in machines.processes().items() if any(name in command for name in gone)
        }
        self.assertEqual(strays, {}, "processes of machines that should not run")

    def delete_all(self, hub, users):
        for user in users:
            if user.state != "ABSENT":
                accepted = hub.delete(f"/v1/workspaces/{user.workspace}").expect(202)
                hub.await_completed(accepted["run"]["id"])
                user.state = "ABSENT"


if __name__ == "__main__":
    unittest.main(verbosity=2)
