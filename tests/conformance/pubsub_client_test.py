"""Google's own Pub/Sub client for Node, which we did not write, on both sides of a hub: it orders, and hears what is
ready (WP-1, WP-9)."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support.cloud import EVENTS_TOPIC, PROJECT, PROVISIONING_TOPIC, SUBSCRIPTION, Cloud  # noqa: E402
from support.hub import Hub  # noqa: E402
from support.pubsub import Emulator  # noqa: E402

CLIENT = HERE / "pubsub"
ORDERS = 20


def install():
    """Installs again only when the lock file has changed."""
    marker, lock = CLIENT / "node_modules/.package-lock.json", CLIENT / "package-lock.json"
    if not marker.exists() or marker.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=CLIENT, check=True)
        marker.touch()


class PubsubClientTest(unittest.TestCase):
    def test_wp01_wp09_a_stranger_orders_and_hears_of_what_is_ready(self):
        for tool in ("node", "npm"):
            if not shutil.which(tool):
                self.skipTest(f"the client needs {tool}")
        install()
        with Emulator() as pubsub, Cloud(configs=True) as cloud:
            pubsub.subscribe(SUBSCRIPTION, PROVISIONING_TOPIC, enableMessageOrdering=True)
            pubsub.subscribe("listener", EVENTS_TOPIC)
            with Hub(options=["--cloud", pubsub.write_config(cloud)]) as hub:
                done = subprocess.run(
                    ["node", "orders.mjs"], cwd=CLIENT, capture_output=True, text=True, check=False, timeout=300,
                    env={
                        **os.environ, "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{pubsub.port}", "PROJECT": PROJECT,
                        "TOPIC": PROVISIONING_TOPIC, "LISTENER": "listener", "ORDERS": str(ORDERS),
                    },
                )  # fmt: skip
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr + hub.log_tail())
                seen = json.loads(done.stdout)
                messages = {one["messageId"]: one for one in hub.get("/v1/messages?limit=200").expect(200)}
        self.assertEqual(set(messages), set(seen["ids"]))
        self.assertEqual({message["outcome"] for message in messages.values()}, {"accepted"})
        self.assertEqual({event["user_id"] for event in seen["heard"]}, {f"npm-{i}" for i in range(ORDERS)})
        for event in seen["heard"]:
            self.assertEqual((event["event"], event["type"]), ("workstation.ready", "workstation.ready"))
            self.assertRegex(event["workstation_id"], r"^projects/.+/workstations/ws-[a-z0-9-]+$")
            self.assertTrue(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", event["timestamp"]))


if __name__ == "__main__":
    unittest.main()
