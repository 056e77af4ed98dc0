#!/usr/bin/env python3
"""A real hub with real sandboxes, whose database fails it: connections break right before and after a COMMIT, the network
to it is silent, the primary dies and its standby takes over, and now and then the hub is killed on top.

Users work on over all of it. After each round all heals, every run must end, and what the store, the kernel and the disk
say is compared with what the users were told.

SLIPWAY_CHAOS_SECONDS: for how long (default 60). SLIPWAY_SEED: repeats the same choices (not the same interleaving).
"""

import os
import random
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from support.hub import Hub  # noqa: E402
from support.machines import Machines  # noqa: E402
from support.postgres import DATABASE, USER, PostgresPair  # noqa: E402
from support.postgres_proxy import FAULTS, Proxy  # noqa: E402
from users import Crowd  # noqa: E402

SECONDS = float(os.environ.get("SLIPWAY_CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("SLIPWAY_SEED", random.randrange(1 << 32)))
USERS = 3
HARMS_PER_ROUND = 5


class FailingDatabase(unittest.TestCase):
    def setUp(self):
        self.choice = random.Random(SEED)
        self.databases = PostgresPair()
        self.addCleanup(self.databases.close)
        self.proxy = Proxy(("127.0.0.1", self.databases.primary.port), self.choice.getrandbits(32))
        self.addCleanup(self.proxy.close)
        self.done = []

    def test_nothing_is_lost_doubled_or_left_behind_however_the_database_fails(self):
        print(f"seed {SEED}", flush=True)
        url = f"postgres://{USER}@127.0.0.1:{self.proxy.port}/{DATABASE}"
        with Hub(options=["--database", url]) as self.hub:
            machines = Machines(self.hub.data)
            crowd = Crowd(self, self.hub, machines, USERS, self.choice, f"seed {SEED}")
            try:
                deadline = time.monotonic() + SECONDS
                while time.monotonic() < deadline:
                    self.storm(crowd)
                    crowd.rest()
                    crowd.check()
            finally:
                self.heal()
                crowd.end()
            print(f"{crowd.changes()} changes, {self.proxy.counts()}, "
                  f"{({what: self.done.count(what) for what in sorted(set(self.done))})}", flush=True)  # fmt: skip
            crowd.delete_all()
            crowd.check()
        self.assertEqual(machines.processes(), {}, "processes are left")

    def storm(self, crowd):
        crowd.work()
        for _ in range(HARMS_PER_ROUND):
            (harm,) = self.choice.choices(
                (self.break_commits, self.cut, self.be_silent, self.fail_over, self.kill), (6, 3, 2, 1, 2)
            )
            self.done.append(harm.__name__)
            harm()
            crowd.fail_with_users()
        self.heal()

    def heal(self):
        self.proxy.set_silent(False)
        self.proxy.set_faults()
        if not self.hub.is_running():
            self.hub.start()

    # ---- what can happen

    def break_commits(self):
        self.proxy.set_faults(**{fault: self.choice.choice((0.05, 0.3)) for fault in FAULTS})
        self.pass_time(3)
        self.proxy.set_faults()

    def cut(self):
        self.pass_time(1)
        self.proxy.cut()

    def be_silent(self):
        self.proxy.set_silent(True)
        self.pass_time(6)
        self.proxy.set_silent(False)

    def fail_over(self):
        self.databases.fail_over(lambda server: self.proxy.lead_to(("127.0.0.1", server.port)))

    def kill(self):
        self.pass_time(0.5)
        self.hub.kill()
        self.hub.start()

    def pass_time(self, at_most_s):
        time.sleep(self.choice.uniform(0, at_most_s))  # not a wait for something: how long it lasts


if __name__ == "__main__":
    unittest.main(verbosity=2)
