"""The clients of src/google/ against the simulated cloud, which was written from the same facts by other hands."""

import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.cloud import Cloud  # noqa: E402
from support.google_probe import Probe  # noqa: E402
from support.hub import wait_until  # noqa: E402

ID = "ws-1"


class WithCloud(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Cloud(configs=True)
        cls.enterClassContext(cls.cloud)
        cls.config = f"{cls.cloud.cluster}/workstationConfigs/starter"
        cls.name = f"{cls.config}/workstations/{ID}"

    def setUp(self):
        self.probe = self.enterContext(Probe())
        self.open("service-account.json")
        self.addCleanup(self.clean)

    def clean(self):
        self.cloud.clear_faults()
        self.open("service-account.json")
        for name in self.probe.ask("list", config=self.config):
            self.probe.ask("remove", name=name)

    def open(self, credentials):
        url = self.cloud.url
        self.endpoints = {
            "workstations": url, "oauth_token": f"{url}/token", "sts": f"{url}/v1/token", "iam_credentials": url,
            "metadata": url, "certificates": f"{url}/oauth2/v3/certs",
        }  # fmt: skip
        kind = {"kind": "metadata"}
        if credentials != "metadata":
            kind = {"kind": "file", "file": str(self.cloud.credentials / credentials)}
        self.probe.open(kind, self.endpoints)

    def create(self, id=ID):
        return self.probe.ask("create", config=self.config, id=id, workstation={"labels": {"run": "r1"}})


class Identity(WithCloud):
    """WP-20"""

    def test_every_kind_of_credentials_is_taken(self):
        for file in ("metadata", "service-account.json", *self.federations()):
            with self.subTest(file):
                self.open(file)
                self.assertIsNone(self.probe.ask("find", name=self.name))

    def federations(self):
        files = sorted(path.name for path in self.cloud.credentials.glob("*.json"))
        found = [name for name in files if self.read(name).get("type") == "external_account"]
        self.assertGreaterEqual(len(found), 2, "one with a url and one with a file")
        return found

    def read(self, name):
        return json.loads((self.cloud.credentials / name).read_text())

    # WP-16
    def test_a_revoked_token_is_replaced_once(self):
        self.probe.ask("find", name=self.name)
        before = self.probe.ask("token")
        self.cloud.revoke_tokens()
        self.probe.ask("create", config=self.config, id=ID, workstation={})
        self.assertNotEqual(self.probe.ask("token"), before)
        self.assertEqual(len(self.cloud.machines()), 1)

    def test_a_token_that_google_signed_for_us_is_verified(self):
        path = "/computeMetadata/v1/instance/service-accounts/default/identity?audience=https://hub&format=full"
        token = self.cloud.request("GET", path, token=None, headers={"Metadata-Flavor": "Google"}).text
        order = {"token": token, "audience": "https://hub", "jwks_url": self.endpoints["certificates"]}
        self.assertEqual(self.probe.ask("verify", **order)["aud"], "https://hub")
        order["audience"] = "https://other"
        self.assertEqual(self.probe.fail("verify", **order), ("UNAUTHENTICATED", "user"))


class Workstations(WithCloud):
    # WP-5, WP-6
    def test_a_life(self):
        self.create()
        self.assertEqual(self.probe.ask("find", name=self.name)["state"], "stopped", "create does not start")
        self.probe.ask("start", name=self.name)
        running = self.probe.ask("find", name=self.name)
        self.assertEqual(running["state"], "running")
        self.assertEqual(running["labels"]["run"], "r1")
        self.assertTrue(running["host"])
        self.assertTrue(self.probe.ask("access", name=self.name)["token"])
        self.probe.ask("stop", name=self.name)
        self.probe.ask("remove", name=self.name)
        self.assertIsNone(self.probe.ask("find", name=self.name))
        self.assertEqual(self.probe.fail("remove", name=self.name), ("NOT_FOUND", "user"))

    def test_configs_and_clusters_are_read(self):
        config = self.probe.ask("get_config", name=self.config)
        self.assertEqual((config["machine_type"], config["home_size_gb"]), ("e2-medium", 50))
        self.assertIn("/networks/", self.probe.ask("get_cluster", name=self.cloud.cluster)["network"])

    def test_a_config_is_made(self):
        wish = {"machine_type": "e2-standard-4", "home_size_gb": 100, "home_disk_type": "pd-balanced"}
        wish |= {"idle_timeout": 1_200_000}
        self.probe.ask("create_config", cluster=self.cloud.cluster, id="another", config=wish)
        made = self.probe.ask("get_config", name=f"{self.cloud.cluster}/workstationConfigs/another")
        for key, value in wish.items():
            self.assertEqual(made[key], value)

    def test_lists_have_all_pages(self):
        for number in range(5):
            self.create(f"ws-{number}")
        self.assertEqual(len(self.probe.ask("list", config=self.config)), 5)

    def test_an_etag_of_yesterday_is_a_lost_race(self):
        self.create()
        self.probe.ask("start", name=self.name)
        self.assertEqual(self.probe.fail("stop", name=self.name, etag="stale"), ("ABORTED", "transient"))

    # WP-12: a 409 that is our own earlier call is recognised
    def test_a_lost_answer_leaves_one_machine_that_can_be_adopted(self):
        self.cloud.faults({"kind": "lost_answer", "call": "workstations.create", "times": 1})
        order = {"config": self.config, "id": ID, "workstation": {"labels": {"run": "r1"}}}
        self.assertEqual(self.probe.fail("create", **order)[1], "transient")
        self.assertEqual(self.probe.fail("create", **order), ("ALREADY_EXISTS", "conflict"))
        self.assertEqual(self.probe.ask("find", name=self.name)["labels"]["run"], "r1")
        self.assertEqual(len(self.cloud.machines()), 1)


class Faults(WithCloud):
    """WP-11, WP-12, WP-16: what a caller gets to see of each fault."""

    # The fault of one call of start, and (code, class) of the error.
    EXPECTED = [
        ({"kind": "quota"}, ("QUOTA_EXCEEDED", "quota")),
        ({"kind": "permission", "permission": "workstations.workstations.use"}, ("PERMISSION_DENIED", "user")),
        ({"kind": "already_exists"}, ("ALREADY_EXISTS", "conflict")),
        ({"kind": "aborted"}, ("ABORTED", "transient")),
        ({"kind": "throttled", "retry_after_s": 7}, ("RATE_LIMITED", "throttled")),
        ({"kind": "server_error", "status": 500}, (None, "transient")),
        ({"kind": "server_error", "status": 502, "body": "html"}, (None, "transient")),
        ({"kind": "server_error", "status": 503}, ("UNAVAILABLE", "transient")),
        ({"kind": "server_error", "status": 504}, ("DEADLINE_EXCEEDED", "transient")),
        ({"kind": "error", "code": "FAILED_PRECONDITION"}, ("FAILED_PRECONDITION", "conflict")),
        ({"kind": "error", "code": "RESOURCE_EXHAUSTED"}, ("QUOTA_EXCEEDED", "quota")),
        ({"kind": "reset"}, ("CONNECTION_CLOSED", "transient")),
        ({"kind": "hang", "delay_s": 0.1}, ("CONNECTION_CLOSED", "transient")),
        ({"kind": "truncated_body"}, ("CONNECTION_CLOSED", "transient")),
        ({"kind": "cut_json"}, ("MALFORMED_ANSWER", "transient")),
        ({"kind": "operation_fails", "code": "RESOURCE_EXHAUSTED", "message": "m"}, ("QUOTA_EXCEEDED", "quota")),
        ({"kind": "operation_fails", "code": "PERMISSION_DENIED", "message": "m"}, ("PERMISSION_DENIED", "user")),
        ({"kind": "operation_fails", "code": "INTERNAL", "message": "m"}, ("INTERNAL", "transient")),
    ]

    def test_each_fault_of_a_change_is_what_the_table_says(self):
        self.create()
        for fault, (code, error_class) in self.EXPECTED:
            with self.subTest(fault):
                self.cloud.faults({"call": "workstations.start", "times": 1, **fault})
                error = self.probe.order("start", name=self.name).get("error")
                self.assertIsNotNone(error)
                self.assertEqual(error["class"], error_class, error)
                if code:
                    self.assertEqual(error["code"], code, error)
                if "retry_after_s" in fault:
                    self.assertEqual(error["retry_after_ms"], 7_000)
                if "permission" in fault:
                    self.assertIn(fault["permission"], error["message"])
                self.cloud.clear_faults()
                self.open("service-account.json")  # and with it closed circuits
                self.probe.order("stop", name=self.name)

    def test_reads_get_over_what_passes(self):
        self.create()
        for fault in ({"kind": "reset"}, {"kind": "server_error", "status": 503}, {"kind": "cut_json"}):
            with self.subTest(fault):
                self.cloud.faults({"call": "workstations.get", "times": 2, **fault})
                self.assertEqual(self.probe.ask("find", name=self.name)["state"], "stopped")
                self.cloud.clear_faults()

    def test_a_slow_or_mislabelled_answer_is_an_answer(self):
        self.create()
        slow = ({"kind": "slow_body", "delay_s": 0.2}, {"kind": "slow", "delay_s": 0.1})
        for fault in (*slow, {"kind": "wrong_content_type"}):
            with self.subTest(fault):
                self.cloud.faults({"call": "workstations.get", "times": 1, **fault})
                self.assertEqual(self.probe.ask("find", name=self.name)["state"], "stopped")
                self.cloud.clear_faults()

    def test_a_broken_cloud_is_left_alone(self):
        self.cloud.faults({"kind": "server_error", "status": 503, "service": "workstations"})
        codes = [self.probe.fail("remove", name=self.name)[0] for _ in range(10)]
        self.assertEqual(codes, ["UNAVAILABLE"] * 10)
        # For 2 s at first: a call that is later than that probes the cloud, which leaves it alone for longer.
        wait_until(lambda: self.probe.fail("remove", name=self.name)[0] == "CIRCUIT_OPEN", "calls are refused at once")
        self.assertLessEqual(self.cloud.faults()[0]["seen"], 12)

    def test_a_broken_token_endpoint_passes_and_is_not_stormed(self):
        self.cloud.faults({"kind": "server_error", "status": 503, "service": "oauth"})
        self.open("service-account.json")
        for _ in range(5):
            self.assertEqual(self.probe.fail("find", name=self.name)[1], "transient")
        asked = sum(rule["seen"] for rule in self.cloud.faults())
        self.assertLess(asked, 45, "five reads of three attempts, each with three tries for a token, would be so many")

    # WP-20
    def test_no_token_is_in_what_is_said(self):
        said = []
        after, self.probe = self.probe, self.enterContext(Probe())
        self.open("service-account.json")
        token = self.probe.ask("token")
        for fault, _ in self.EXPECTED:
            self.cloud.faults({"service": "workstations", "times": 1, **fault})
            said.append(json.dumps(self.probe.order("remove", name=self.name)))
            self.cloud.clear_faults()
        said.append(self.probe.end())
        self.assertNotIn(token, "".join(said))
        self.assertNotIn("Bearer", "".join(said))
        self.probe = after


if __name__ == "__main__":
    unittest.main()
