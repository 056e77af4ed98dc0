"""Google's own clients for Node, which we did not write, against the simulated cloud."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support.cloud import CLUSTER, PROJECT, REGION, Cloud  # noqa: E402

CLIENTS = HERE / "google_clients"


def install():
    """Installs again only when the lock file has changed."""
    marker, lock = CLIENTS / "node_modules/.package-lock.json", CLIENTS / "package-lock.json"
    if not marker.exists() or marker.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=CLIENTS, check=True)
        marker.touch()


class GoogleClientsTest(unittest.TestCase):
    maxDiff = None

    def test_googles_clients_understand_the_simulated_cloud(self):
        for tool in ("node", "npm"):
            if not shutil.which(tool):
                self.skipTest(f"the clients need {tool}")
        install()
        with Cloud(configs=True) as cloud:
            facts = {
                "url": cloud.url, "port": cloud.port, "project": PROJECT, "region": REGION, "cluster": CLUSTER,
                "credentials": str(cloud.credentials),
            }  # fmt: skip
            done = subprocess.run(
                ["node", "--test", "--test-concurrency=1", "clients.test.mjs"],
                cwd=CLIENTS, env={**os.environ, "SLIPWAY_CLOUD": json.dumps(facts)}, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
