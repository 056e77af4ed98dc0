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
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from support.hub import Hub  # noqa: E402
from support.machines import Machines  # noqa: E402
from users import Crowd  # noqa: E402

KILLS = int(os.environ.get("SLIPWAY_KILLS", "300"))
SECONDS_MAX = float(os.environ.get("SLIPWAY_KILL_SECONDS", "240"))
SEED = int(os.environ.get("SLIPWAY_SEED", random.randrange(1 << 32)))
USERS = 3
KILLS_PER_ROUND = 25
UPTIME_MAX_S = 0.5  # about as long as one create: every moment of it is hit


class Killing(unittest.TestCase):
    def test_nothing_is_lost_doubled_or_left_behind_at_whatever_moment_the_hub_is_killed(self):
        print(f"seed {SEED}", flush=True)
        choice = random.Random(SEED)
        with Hub() as hub:
            machines = Machines(hub.data)
            crowd = Crowd(self, hub, machines, USERS, choice, f"seed {SEED}")
            kills = 0
            try:
                deadline = time.monotonic() + SECONDS_MAX
                while kills < KILLS and time.monotonic() < deadline:
                    kills += self.kill_round(hub, crowd, choice, min(KILLS_PER_ROUND, KILLS - kills))
                    crowd.check()
            finally:
                crowd.end()
            print(f"{kills} kills, {crowd.changes()} changes", flush=True)
            crowd.delete_all()
            crowd.check()
        self.assertEqual(machines.processes(), {}, "processes are left")

    def kill_round(self, hub, crowd, choice, kills):
        """Kills the hub so often while all users work; returns when it is up again and all of them rest."""
        crowd.work()
        for _ in range(kills):
            # Also before it serves: recovery is a moment like any other.
            hub.start(wait=False) if not hub.is_running() else None
            time.sleep(choice.uniform(0, UPTIME_MAX_S))
            hub.kill()
            crowd.fail_with_users()
        hub.start()
        crowd.rest()
        return kills


if __name__ == "__main__":
    unittest.main(verbosity=2)
