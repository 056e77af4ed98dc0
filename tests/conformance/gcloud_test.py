"""gcloud, which we did not write, against the simulated cloud: what it understands of it is what Google's API says.

A fault of the simulator would otherwise be a wrong belief on both sides of every other test.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.cloud import CLUSTER, EVENTS_TOPIC, PROJECT, REGION, SUBSCRIPTION, Cloud  # noqa: E402

GCLOUD_PATIENCE_S = 120


class GcloudTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("gcloud"):
            raise unittest.SkipTest("gcloud is not there: tools/install-packages --test")
        cls.cloud = cls.enterClassContext(Cloud(configs=True))
        cls.folder = tempfile.mkdtemp(prefix="slipway-gcloud-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    def gcloud(self, *words, expect=0, credentials=None):
        """Runs gcloud in a configuration of its own; gives its JSON, or what it complained about."""
        cloud = self.cloud
        environment = {
            **os.environ,
            "CLOUDSDK_CONFIG": self.folder,
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_WORKSTATIONS": f"{cloud.url}/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{cloud.url}/compute/v1/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB": f"{cloud.url}/",
        }
        if credentials:
            environment["CLOUDSDK_AUTH_TOKEN_HOST"] = f"{cloud.url}/token"  # it does not take a key file's own
            environment["CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"] = str(credentials)
        else:
            token = os.path.join(self.folder, "token")
            with open(token, "w", encoding="ascii") as file:
                file.write(cloud.token())
            environment["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"] = token
        done = subprocess.run(
            ["gcloud", *words, "--format=json"], env=environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=GCLOUD_PATIENCE_S,
        )  # fmt: skip
        self.assertEqual(done.returncode, expect, done.stderr)
        return json.loads(done.stdout or "null") if expect == 0 else done.stderr

    def workstations(self, verb, *words, config="starter", **options):
        where = [f"--region={REGION}", f"--cluster={CLUSTER}"]
        if config:
            where.append(f"--config={config}")
        return self.gcloud("workstations", verb, *words, *where, **options)

    # WP-5
    def test_a_workstation_lives_its_life(self):
        self.workstations("create", "ws-life", "--labels=team=blue")
        made = self.workstations("describe", "ws-life")
        self.assertEqual(made["state"], "STATE_STOPPED")  # create does not start
        self.assertEqual(made["labels"], {"team": "blue"})

        self.workstations("start", "ws-life")
        running = self.workstations("describe", "ws-life")
        self.assertEqual(running["state"], "STATE_RUNNING")
        self.assertIn("startTime", running)

        machines = self.gcloud("compute", "instances", "list")
        host = running["runtimeHost"]["gceInstanceHost"]
        self.assertEqual([machine["name"] for machine in machines], [host["name"]])
        self.assertEqual(machines[0]["status"], "RUNNING")
        self.assertTrue(machines[0]["machineType"].endswith("/e2-medium"))
        shown = self.gcloud("compute", "instances", "describe", host["name"], f"--zone={host['zone']}")
        self.assertEqual(shown["id"], host["id"])

        self.assertEqual([one["name"].split("/")[-1] for one in self.workstations("list")], ["ws-life"])
        self.workstations("stop", "ws-life")
        self.assertEqual(self.workstations("describe", "ws-life")["state"], "STATE_STOPPED")
        self.workstations("delete", "ws-life")
        self.assertEqual(self.workstations("list"), [])
        self.assertIn("NOT_FOUND", self.workstations("describe", "ws-life", expect=1))

    # WP-12
    def test_a_name_that_is_taken_is_told_as_such(self):
        self.workstations("create", "ws-twice", config="business")
        self.assertIn("already exists", self.workstations("create", "ws-twice", config="business", expect=1))
        self.workstations("delete", "ws-twice", config="business")

    def test_a_failed_operation_is_understood(self):
        self.workstations("create", "ws-unlucky", config="business")
        self.cloud.faults({"kind": "operation_fails", "code": "RESOURCE_EXHAUSTED", "call": "workstations.start"})
        self.addCleanup(self.cloud.clear_faults)
        self.assertIn("Quota 'CPUS' exceeded", self.workstations("start", "ws-unlucky", config="business", expect=1))
        self.cloud.clear_faults()
        self.workstations("delete", "ws-unlucky", config="business")

    # WP-2
    def test_configs_are_those_of_the_tiers(self):
        configs = self.gcloud("workstations", "configs", "list", f"--region={REGION}", f"--cluster={CLUSTER}")
        machines = {one["name"].split("/")[-1]: one["host"]["gceInstance"]["machineType"] for one in configs}
        self.assertEqual(
            machines,
            {"starter": "e2-medium", "professional": "e2-highmem-4", "business": "n2-highmem-8",
             "enterprise": "n2-highmem-16"},
        )  # fmt: skip

    # WP-20
    def test_the_credentials_that_are_written_are_those_gcloud_takes(self):
        for file in ("service-account.json", "external-account.json", "external-account-file.json"):
            with self.subTest(file):
                configs = self.gcloud(
                    "workstations", "configs", "list", f"--region={REGION}", f"--cluster={CLUSTER}",
                    credentials=self.cloud.credentials / file,
                )  # fmt: skip
                self.assertEqual(len(configs), 4)

    def test_messages_are_published_and_pulled(self):
        self.gcloud("pubsub", "subscriptions", "create", "watcher", f"--topic={EVENTS_TOPIC}")
        self.gcloud("pubsub", "topics", "publish", EVENTS_TOPIC, "--message=hello", "--attribute=a=b")
        received = self.gcloud("pubsub", "subscriptions", "pull", "watcher", "--auto-ack")
        self.assertEqual(received[0]["message"]["attributes"], {"a": "b"})
        names = {one["name"].split("/")[-1] for one in self.gcloud("pubsub", "subscriptions", "list")}
        self.assertEqual(names, {SUBSCRIPTION, "watcher"})


if __name__ == "__main__":
    unittest.main()
