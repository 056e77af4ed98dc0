"""Workstations of many tenants: who may do what to whose, which network is whose, and how one is explained."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.cloud import Cloud  # noqa: E402
from support.hub import Hub, wait_until  # noqa: E402

ORDER = {"userId": "user-1", "organizationId": "acme", "tier": "starter", "userEmail": "ada@example.com"}


class TenantsCase(unittest.TestCase):
    """A cloud and a hub for each test. `cloud_options`, `settings`: of the cloud, and sections of the hub's file."""

    cloud_options = {}
    settings = {}

    def setUp(self):
        self.cloud = self.enterContext(Cloud(**{"configs": True, **self.cloud_options}))
        self.hub = self.enterContext(Hub(options=["--cloud", self.cloud.write_config(**self.settings)]))

    def order(self, **changes):
        """Orders a workstation; gives (its id, its run's id)."""
        data = self.hub.post("/v1/workstations", {**ORDER, **changes}).expect(202)
        return data["workstationId"], data["run"]["id"]

    def change(self, method, path, body=None):
        """Does something that is a run, and waits for its end; gives the run."""
        return self.hub.await_run(self.hub.request(method, path, body).expect(202)["run"]["id"])

    def member(self):
        """(the id, the key) of a user who is no admin."""
        made = self.hub.post("/v1/api-keys", {"name": "user", "role": "member"}).expect(201)
        return made["user_id"], made["key"]


class UsersTest(TenantsCase):
    def test_a_user_does_not_cancel_or_retry_what_only_an_admin_starts(self):
        user, key = self.member()
        self.cloud.faults({"kind": "operation_never_ends", "call": "workstations.start"})
        workstation, run = self.order(userId=user)
        wait_until(self.cloud.machines, "the machine is there")
        at = f"/v1/workflows/runs/{run}"
        self.assertEqual(self.hub.get(at, key=key).expect(200)["type"], "workstation.provision")
        self.hub.post(at + "/cancel", {}, key=key).expect_error(403, "FORBIDDEN")
        self.assertEqual(self.hub.get(at).expect(200)["status"], "running")
        self.hub.post(at + "/cancel", {}).expect(202)
        self.assertEqual(self.hub.await_run(run)["status"], "cancelled")
        self.hub.post(at + "/retry", {}, key=key).expect_error(403, "FORBIDDEN")
        _, stranger = self.member()
        self.hub.post(at + "/retry", {}, key=stranger).expect_error(404, "NOT_FOUND")
        self.cloud.clear_faults()
        self.assertEqual(self.change("POST", at + "/retry", {})["status"], "completed")

    def test_a_user_retries_what_a_user_may_start(self):
        user, key = self.member()
        workstation, run = self.order(userId=user)
        self.hub.await_run(run)
        self.cloud.faults({"kind": "permission", "call": "workstations.stop", "permission": "workstations.stop"})
        stop = self.hub.post(f"/v1/workstations/{workstation}/stop", key=key).expect(202)["run"]["id"]
        self.assertEqual(self.hub.await_run(stop)["status"], "failed")
        self.cloud.clear_faults()
        again = self.hub.post(f"/v1/workflows/runs/{stop}/retry", {}, key=key).expect(202)["run"]["id"]
        self.assertEqual(self.hub.await_run(again)["status"], "completed")

    def test_wp08_an_address_that_no_mail_can_go_to_is_refused_with_the_order(self):
        for address in ("jörg@example.com", "a..b@example.com", '"a b"@example.com', "a" * 65 + "@example.com"):
            error = self.hub.post("/v1/workstations", {**ORDER, "userEmail": address})
            error.expect_error(400, "VALIDATION_ERROR")
            self.assertEqual(error.error["details"]["field"], "userEmail")
        self.assertEqual(self.cloud.machines_ever(), [])

    def test_why_explains_a_workstation_that_waits_for_quota_and_one_that_runs(self):
        self.cloud.quotas(workstations_per_region=0)
        workstation, run = self.order()
        wait_until(lambda: self.hub.get("/v1/workstations?waitingFor=quota").expect(200), "it waits for quota")
        why = self.hub.get(f"/v1/why/{workstation}").expect(200)
        self.assertEqual((why["id"], why["kind"], why["state"]), (workstation, "workstation", "creating"))
        self.assertIn("it waits for quota", " ".join(why["because"]))
        self.assertIn(f"run {run} is at work on it", why["because"])
        self.assertTrue(any("at" in step for step in why["next"]), why)  # when it is tried again
        self.cloud.quotas(workstations_per_region=10)
        self.hub.post(f"/v1/workflows/runs/{run}/cancel", {}).expect(202)
        self.hub.await_run(run)
        workstation, run = self.order()
        self.hub.await_run(run)
        said = self.hub.command("why", workstation)
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn(f"workstation {workstation} is running", said.stdout)
        self.assertIn("next: nothing, until it is stopped", said.stdout)
        _, stranger = self.member()
        self.hub.get(f"/v1/why/{workstation}", key=stranger).expect_error(404, "NOT_FOUND")


class NetworksTest(TenantsCase):
    cloud_options = {"configs": False}
    settings = {"workstations": {"default_cluster": ""}}

    def network(self, name):
        return f"projects/{self.cloud.project}/global/networks/{name}"

    def cluster(self, organization):
        return self.hub.get(f"/v1/organizations/{organization}").expect(200)["cluster"]

    def test_wp22_organizations_with_names_alike_get_clusters_of_their_own(self):
        long = "a-very-long-name-of-an-organization-that-goes-on-" * 2
        names = ["acme-example", "acme.example", "Acme.Example", long + "1", long + "2"]
        for name in names:
            place = {"organizationId": name, "network": self.network("n")}
            self.assertEqual(self.change("POST", "/v1/workstations/setup", place)["status"], "completed")
        clusters = [self.cluster(name) for name in names]
        self.assertEqual(clusters[0], "slipway-acme-example")
        self.assertEqual(len(set(clusters)), len(names), clusters)
        for cluster in clusters:
            self.assertRegex(cluster, r"^[a-z][a-z0-9-]{0,61}[a-z0-9]$")
        again = {"organizationId": "acme.example"}
        self.assertEqual(self.change("POST", "/v1/workstations/setup", again)["status"], "completed")
        self.assertEqual(self.cluster("acme.example"), clusters[1])

    def test_wp22_a_cluster_of_another_organization_is_refused(self):
        self.hub.put("/v1/organizations/acme", {"cluster": "place-a"}).expect(200)
        error = self.hub.put("/v1/organizations/globex", {"cluster": "place-a"}).expect_error(409, "CONFLICT")
        self.assertIn("'place-a' is that of organization 'acme'", error["message"])
        setup = {"organizationId": "globex", "cluster": "place-a"}
        self.hub.post("/v1/workstations/setup", setup).expect_error(409, "CONFLICT")
        self.hub.get("/v1/organizations/globex").expect_error(404, "NOT_FOUND")
        self.assertEqual(len(self.cloud.ledger("cluster.create")), 1)  # the one that was there
        self.hub.put("/v1/organizations/acme", {"cluster": "place-b"}).expect(200)
        self.hub.put("/v1/organizations/globex", {"cluster": "place-a"}).expect(200)  # it is free now

    def test_wp22_a_cluster_in_another_network_is_not_bound(self):
        place = {"organizationId": "acme", "cluster": "place-a", "network": self.network("a")}
        self.assertEqual(self.change("POST", "/v1/workstations/setup", place)["status"], "completed")
        self.hub.put("/v1/organizations/acme", {"cluster": "place-b"}).expect(200)
        effects = len(self.cloud.ledger())
        wrong = {"organizationId": "globex", "cluster": "place-a", "network": self.network("b")}
        run = self.change("POST", "/v1/workstations/setup", wrong)
        self.assertEqual((run["status"], run["error"]["code"]), ("failed", "NETWORK_DIFFERS"))
        for name in ("a", "b"):
            self.assertIn(self.network(name), run["error"]["message"])
        self.hub.get("/v1/organizations/globex").expect_error(404, "NOT_FOUND")
        self.assertEqual(len(self.cloud.ledger()), effects)

    def test_a_home_of_another_size_is_told_and_changed_for_new_workstations(self):
        place = {"organizationId": "acme", "network": self.network("a")}
        self.change("POST", "/v1/workstations/setup", place)
        clusters = self.cloud.cluster.rsplit("/", 1)[0]
        configs = f"/v1/{clusters}/slipway-acme/workstationConfigs"
        disk = {"sizeGb": 100, "diskType": "pd-ssd"}
        self.cloud.call(
            "PATCH", f"{configs}/starter?updateMask=persistentDirectories",
            {"persistentDirectories": [{"mountPath": "/home", "gcePd": disk}]},
        )  # fmt: skip
        wait_until(lambda: not self.cloud.call("GET", f"{configs}/starter").get("reconciling"), "it is changed")
        run = self.change("POST", "/v1/workstations/setup", place)
        events = self.hub.get(f"/v1/workflows/runs/{run['id']}/events").expect(200)
        report = events[-1]["data"]["output"]
        found = {finding["resource"]: finding for finding in report["findings"]}["starter"]
        self.assertEqual(found["what"], "changed")
        self.assertIn("100 GB of pd-ssd, not 50 GB of pd-balanced", found["differences"][0])
        wire = self.cloud.call("GET", f"{configs}/starter")["persistentDirectories"][0]["gcePd"]
        self.assertEqual((int(wire["sizeGb"]), wire["diskType"]), (50, "pd-balanced"))


class SlowClusterTest(TenantsCase):
    cloud_options = {"configs": False, "time_scale": 0.002}

    def test_a_cluster_whose_answer_was_lost_is_waited_for(self):
        self.cloud.faults({"kind": "lost_answer", "call": "clusters.create", "times": 1})
        place = {"organizationId": "acme", "network": f"projects/{self.cloud.project}/global/networks/a"}
        self.assertEqual(self.change("POST", "/v1/workstations/setup", place)["status"], "completed")
        self.assertEqual(len(self.cloud.ledger("cluster.create")), 2)  # and the one that was there


class HubIdTest(TenantsCase):
    def labels(self):
        return {machine["labels"]["slipway-hub"] for machine in self.cloud.machines()}

    def test_under_another_sealing_key_a_hub_still_knows_its_workstations(self):
        workstation, run = self.order()
        self.hub.await_run(run)
        before = self.labels()
        self.hub.stop()
        key = self.hub.data / "seal.key"
        content = bytearray(key.read_bytes())
        content[0] = ord("A") if content[0] != ord("A") else ord("B")
        key.write_bytes(bytes(content))
        self.hub.start()
        self.assertEqual(self.change("POST", "/v1/workstations/sweep")["status"], "completed")
        self.assertEqual(self.hub.get(f"/v1/workstations/{workstation}").expect(200)["status"], "running")
        _, run = self.order()
        self.assertEqual(self.hub.await_run(run)["status"], "completed")
        self.assertEqual(self.labels(), before)


if __name__ == "__main__":
    unittest.main()
