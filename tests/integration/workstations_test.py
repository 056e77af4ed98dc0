"""Workstations on a simulated Google Cloud, from order to offboarding: each row of the flow, and each way it goes wrong.

The cloud is slipway-simulator, which public clients have judged (tests/conformance); its ledger says what really
happened there.
"""

import email
import email.policy
import pathlib
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.cloud import CLUSTER, SUBSCRIPTION, Cloud  # noqa: E402
from support.hub import Hub, wait_until  # noqa: E402
from support.mailbox import Mailbox  # noqa: E402

ORDER = {"userId": "User-42@acme", "organizationId": "acme", "tier": "starter", "userEmail": "ada@example.com"}
MESSAGE = {"user_id": "User-42@acme", "org_id": "acme", "tier": "business", "user_email": "ada@example.com"}


class WorkstationCase(unittest.TestCase):
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

    def provision(self, **changes):
        """Orders one and waits until it runs; gives its record."""
        workstation, run = self.order(**changes)
        self.assertEqual(self.hub.await_run(run)["status"], "completed")
        return self.workstation(workstation)

    def await_failure(self, run):
        """Waits until the run has failed; gives its error."""
        ended = self.hub.await_run(run)
        self.assertEqual(ended["status"], "failed")
        return ended["error"]

    def workstation(self, workstation):
        return self.hub.get(f"/v1/workstations/{workstation}").expect(200)

    def change(self, method, path, body=None):
        """Does something that is a run, and waits for its end; gives the run."""
        run = self.hub.request(method, path, body).expect(202)["run"]["id"]
        return self.hub.await_run(run)

    def alerts(self, kind):
        return self.hub.get(f"/v1/alerts?kind={kind}&state=open,acknowledged,resolved").expect(200)

    def steps(self, run):
        return {step["name"]: step for step in self.hub.get(f"/v1/workflows/runs/{run}").expect(200)["steps"]}

    def machine_names(self):
        return [machine["name"].rsplit("/", 1)[1] for machine in self.cloud.machines()]

    def await_alert(self, kind):
        return wait_until(lambda: self.alerts(kind), f"an alert {kind}")[0]


class ProvisioningTest(WorkstationCase):
    def test_wp01_to_wp09_a_message_becomes_a_running_workstation_a_mail_and_an_event(self):
        self.cloud.publish(MESSAGE)
        found = wait_until(lambda: self.hub.get("/v1/workstations?status=running").expect(200), "it runs")
        workstation = found[0]

        # WP-3: a prefix of the user's id, and a random rest
        self.assertRegex(workstation["id"], r"^ws-user42ac-[a-z2-9]{10}$")
        # WP-2
        self.assertEqual(
            (workstation["machineType"], workstation["vcpus"], workstation["memoryGb"], workstation["bootDiskSizeGb"]),
            ("n2-highmem-8", 8, 64, 200),
        )
        # WP-5: in the tier's config, with the user's context
        machine = self.cloud.machines()[0]
        self.assertEqual(machine["name"], f"{self.cloud.cluster}/workstationConfigs/business/workstations/{workstation['id']}")
        self.assertEqual(machine["env"]["SLIPWAY_USER_EMAIL"], "ada@example.com")
        self.assertEqual(machine["state"], "STATE_RUNNING")
        # WP-7
        self.assertEqual(workstation["gcpWorkstationId"], machine["name"])
        self.assertEqual(self.hub.get("/v1/organizations/acme").expect(200)["workstationCount"], 1)
        # WP-9
        event = wait_until(self.cloud.published, "the event")[0]
        self.assertEqual(event["event"], "workstation.ready")
        self.assertEqual((event["user_id"], event["workstation_id"]), ("User-42@acme", machine["name"]))
        self.assertRegex(event["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        # WP-8
        mails = list(self.cloud.mail.glob("*.eml"))
        self.assertEqual(len(mails), 1)
        mail = email.message_from_bytes(mails[0].read_bytes(), policy=email.policy.default)
        self.assertEqual(mail["To"], "ada@example.com")
        self.assertIn("noreply@coditect.ai", mail["From"])
        for kind in ("plain", "html"):
            text = mail.get_body(preferencelist=(kind,)).get_content()
            self.assertIn(workstation["launchUrl"], text)
            self.assertIn("64 GB", text)
        self.assertIn("Launch Workstation", text)

    def test_each_of_the_ten_steps_is_a_step_of_the_run(self):
        _, run = self.order()
        self.hub.await_run(run)
        self.assertEqual(
            list(self.steps(run)),
            ["receive", "determine-config", "create-record", "create-workstation", "wait-until-created",
             "start-workstation", "wait-until-running", "update-record", "send-email", "publish-event"],
        )  # fmt: skip

    def test_wp04_the_row_is_readable_with_plain_sql(self):
        workstation = self.provision()
        with sqlite3.connect(f"file:{self.hub.data / 'slipway.db'}?mode=ro", uri=True) as database:
            row = database.execute(
                "SELECT id, organization_id, user_id, machine_type, boot_disk_size_gb, status, created_at, "
                "gcp_workstation_id, provisioned_at FROM workstations"
            ).fetchone()
        self.assertEqual(row[:6], (workstation["id"], "acme", "User-42@acme", "e2-medium", 50, "running"))
        self.assertEqual(row[6:], (workstation["createdAt"], workstation["gcpWorkstationId"], workstation["provisionedAt"]))

    def test_wp17_the_metrics_have_their_names(self):
        self.provision()
        text = self.hub.get("/metrics").text
        self.assertIn('workstation_provisioning_success_total{tier="starter"} 1', text)
        self.assertIn('workstation_provisioning_duration_seconds_count{tier="starter"} 1', text)
        self.assertRegex(text, r'workstation_provisioning_failure_total\{error_code="[A-Z_]+",tier="starter"\} 0')

    def test_wp19_the_audit_log_says_who_what_when_and_from_where(self):
        self.cloud.publish(MESSAGE)
        wait_until(lambda: self.hub.get("/v1/workstations?status=running").expect(200), "it runs")
        entries = self.hub.get("/v1/audit?resourceType=workstation").expect(200)
        deeds = {entry["action"]: entry for entry in entries}
        done = deeds["workstation.provision"]
        self.assertEqual((done["actor_id"], done["outcome"]), ("pubsub", "success"))
        self.assertTrue(done["remote"].endswith(SUBSCRIPTION))
        self.assertIn("workstation.provision.begin", deeds)
        self.assertTrue(self.hub.get("/v1/audit/verify").expect(200)["intact"])

    def test_wp21_the_users_variables_are_nowhere_in_clear_text(self):
        secret = "canary-8c1f0e7d"
        workstation, run = self.order(environment={"TOKEN": secret})
        self.hub.await_run(run)
        self.assertEqual(self.cloud.machines()[0]["env"]["TOKEN"], secret)
        for file in self.hub.data.rglob("*"):
            if file.is_file():
                self.assertNotIn(secret.encode(), file.read_bytes(), file)
        self.assertNotIn(secret, self.hub.log())
        self.assertNotIn(secret, self.hub.get(f"/v1/workflows/runs/{run}/events").text)
        self.assertNotIn(secret, self.hub.get(f"/v1/workstations/{workstation}").text)

    def test_an_order_that_cannot_be_is_refused_with_the_field(self):
        for field, value in (("tier", "huge"), ("userEmail", "nobody"), ("userId", "a b"), ("organizationId", "")):
            error = self.hub.post("/v1/workstations", {**ORDER, field: value}).expect_error(400, "VALIDATION_ERROR")
            self.assertEqual(error["details"]["field"], field)
        self.assertEqual(self.cloud.ledger("workstation.create"), [])

    def test_the_same_order_under_the_same_key_is_one_workstation(self):
        first, second = (
            self.hub.request("POST", "/v1/workstations", ORDER, headers={"Idempotency-Key": "once"}).expect(202)
            for _ in range(2)
        )
        self.assertEqual(first["workstationId"], second["workstationId"])
        self.hub.await_run(first["run"]["id"])
        self.assertEqual(len(self.cloud.machines_ever()), 1)


class FaultsTest(WorkstationCase):
    settings = {"workstations": {"quota_wait_first": "100ms"}}

    def assert_one_machine(self, workstation):
        self.assertEqual(self.machine_names(), [workstation["id"]])
        self.assertEqual(len(self.cloud.machines_ever()), 1)
        self.assertEqual(workstation["status"], "running")

    def test_wp05_wp16_whatever_goes_wrong_on_the_way_there_is_one_machine(self):
        passing = [
            {"kind": "lost_answer"}, {"kind": "reset"}, {"kind": "truncated_body"}, {"kind": "cut_json"},
            {"kind": "server_error", "status": 503}, {"kind": "server_error", "status": 502, "body": "html"},
            {"kind": "throttled", "retry_after_s": 1}, {"kind": "unauthenticated"}, {"kind": "aborted"},
        ]  # fmt: skip
        for rule in passing:
            for call in ("workstations.create", "workstations.start", "operations.get", "workstations.get"):
                with self.subTest(rule=rule, call=call):
                    before = len(self.cloud.machines_ever())
                    self.cloud.faults({**rule, "call": call, "times": 1})
                    workstation = self.provision()
                    self.cloud.clear_faults()
                    self.assertEqual(workstation["status"], "running")
                    self.assertEqual(len(self.cloud.machines_ever()), before + 1)

    def test_wp05_a_create_whose_answer_was_lost_is_adopted(self):
        self.cloud.faults({"kind": "lost_answer", "call": "workstations.create", "times": 1})
        workstation, run = self.order()
        self.hub.await_run(run)
        self.assertGreater(self.steps(run)["create-workstation"]["attempts"], 1)
        self.assert_one_machine(self.workstation(workstation))

    def test_wp11_without_quota_it_waits_visibly_and_then_goes_on(self):
        self.cloud.quotas(workstations_per_region=0)
        workstation, run = self.order()
        wait_until(lambda: self.hub.get("/v1/workstations?waitingFor=quota").expect(200), "it waits for quota")
        self.assertEqual(self.workstation(workstation)["status"], "creating")
        self.assertEqual(self.hub.get(f"/v1/workflows/runs/{run}").expect(200)["status"], "running")
        self.assertEqual(self.await_alert("workstation.quota")["state"], "open")
        self.cloud.quotas(workstations_per_region=10)
        self.hub.await_run(run)
        found = self.workstation(workstation)
        self.assertEqual(found["status"], "running")
        self.assertNotIn("waitingFor", found)
        self.assertEqual(self.alerts("workstation.quota")[0]["state"], "resolved")

    def test_wp11_a_quota_that_shows_inside_a_finished_operation_is_waited_for_too(self):
        self.cloud.faults(
            {"kind": "operation_fails", "call": "workstations.start", "code": "RESOURCE_EXHAUSTED",
             "message": "Quota 'CPUS' exceeded", "times": 2}
        )  # fmt: skip
        workstation = self.provision()
        self.assert_one_machine(workstation)
        self.assertEqual(self.alerts("workstation.quota")[0]["count"], 2)

    def test_wp11_a_403_without_quota_fails_and_names_the_permission(self):
        self.cloud.faults(
            {"kind": "permission", "call": "workstations.create", "permission": "workstations.workstations.create"}
        )
        workstation, run = self.order()
        self.assertEqual(self.await_failure(run)["code"], "PERMISSION_DENIED")
        found = self.workstation(workstation)
        self.assertEqual(found["status"], "failed")
        self.assertIn("workstations.workstations.create", found["error"]["message"])
        alert = self.alerts("workstation.failed")[0]
        self.assertEqual(alert["severity"], "critical")
        counted = 'workstation_provisioning_failure_total{error_code="PERMISSION_DENIED",tier="starter"} 1\n'
        # It is counted once it is durable: a moment after it can be read.
        wait_until(lambda: counted in self.hub.get("/metrics").text, "the failure is counted")

    def test_wp12_an_id_that_is_taken_is_replaced_and_the_record_follows(self):
        self.cloud.faults({"kind": "already_exists", "call": "workstations.create", "times": 1})
        first, run = self.order()
        self.hub.await_run(run)
        found = self.workstation(first)  # it is found by both ids
        self.assertNotEqual(found["id"], first)
        self.assertIn("renew-id", self.steps(run))
        self.assert_one_machine(found)
        self.assertEqual(self.hub.get("/v1/organizations/acme").expect(200)["workstationCount"], 1)

    def test_wp12_another_hubs_workstation_of_that_id_is_left_alone_also_by_a_retry(self):
        # The first id is taken by somebody else while our create is refused; then nothing can be made for a while.
        self.cloud.faults(
            {"kind": "already_exists", "call": "workstations.create", "times": 1},
            {"kind": "permission", "call": "workstations.create", "permission": "x", "times": 1},
        )
        first, run = self.order()
        self.await_failure(run)
        config = f"{self.cloud.cluster}/workstationConfigs/starter"
        self.cloud.call("POST", f"/v1/{config}/workstations?workstationId={first}", {"labels": {"slipway-hub": "other"}})
        retried = self.change("POST", f"/v1/workflows/runs/{run}/retry", {})
        self.assertEqual(retried["status"], "completed")
        found = self.workstation(first)
        self.assertNotEqual(found["id"], first)
        self.assertEqual(found["status"], "running")
        states = {machine["name"].rsplit("/", 1)[1]: machine["state"] for machine in self.cloud.machines()}
        self.assertEqual(states, {found["id"]: "STATE_RUNNING", first: "STATE_STOPPED"})

    def test_wp05_wp11_a_start_whose_answer_was_lost_and_that_fails_late_is_begun_again(self):
        self.cloud.faults(
            {"kind": "lost_answer", "call": "workstations.start", "times": 1},
            {"kind": "operation_fails", "call": "workstations.start", "code": "RESOURCE_EXHAUSTED", "times": 1},
        )
        self.assert_one_machine(self.provision())

    def test_wp15_a_mail_that_is_refused_marks_its_step_and_the_workstation_stays_ready(self):
        with Mailbox() as mailbox:
            config = self.cloud.write_config(mail={"url": mailbox.url, "starttls": "no"})
            with Hub(options=["--cloud", config]) as hub:
                self.hub = hub
                mailbox.fail_next(550)
                workstation, run = self.order()
                self.assertEqual(hub.await_run(run)["status"], "completed")
                self.assertEqual(self.steps(run)["send-email"]["status"], "failed")
                self.assertEqual(self.steps(run)["publish-event"]["status"], "completed")
                self.assertEqual(self.workstation(workstation)["status"], "running")
                self.assertEqual(self.await_alert("mail.failed")["resourceId"], workstation)

    def test_wp15_a_mail_server_that_is_down_for_a_while_gets_the_mail_later(self):
        with Mailbox() as mailbox:
            config = self.cloud.write_config(mail={"url": mailbox.url, "starttls": "no"})
            with Hub(options=["--cloud", config]) as hub:
                self.hub = hub
                mailbox.fail_next(451)
                mailbox.fail_next(451)
                _, run = self.order()
                self.assertEqual(hub.await_run(run)["status"], "completed")
                self.assertEqual(self.steps(run)["send-email"]["attempts"], 3)
                self.assertEqual(len(mailbox.wait_for(1)), 1)

    def test_a_hub_that_is_killed_again_and_again_makes_one_machine(self):
        _, run = self.order()
        for _ in range(4):
            self.hub.kill()
            self.hub.start()
        self.assertEqual(self.hub.await_run(run)["status"], "completed")
        self.assertEqual(len(self.cloud.machines_ever()), 1)
        self.assertEqual(self.hub.get("/v1/organizations/acme").expect(200)["workstationCount"], 1)


class SlowCloudTest(WorkstationCase):
    settings = {"workstations": {"slow_after": "1s", "give_up_after": "3s"}}

    def test_wp06_wp13_a_slow_creation_alerts_and_is_given_up_and_cleaned_up_in_the_end(self):
        self.cloud.faults({"kind": "operation_never_ends", "call": "workstations.start"})
        workstation, run = self.order()
        self.assertEqual(self.await_alert("workstation.slow")["resourceId"], workstation)
        self.assertEqual(self.await_failure(run)["code"], "CREATION_TIMED_OUT")
        wait_until(lambda: self.cloud.machines() == [], "the machine is gone")
        found = self.workstation(workstation)
        self.assertEqual(found["status"], "failed")
        # Retried when the cloud is well again, it is the same workstation.
        self.cloud.clear_faults()
        retried = self.change("POST", f"/v1/workflows/runs/{run}/retry", {})
        self.assertEqual(retried["status"], "completed")
        self.assertEqual(self.machine_names(), [workstation])
        self.assertEqual(self.alerts("workstation.failed")[0]["state"], "resolved")

    def test_wp06_an_operation_that_never_ends_does_not_hide_that_its_work_is_done(self):
        self.cloud.faults({"kind": "operation_never_ends", "call": "configs.create"})  # of nothing that we do
        self.assertEqual(self.provision()["status"], "running")


class LifeTest(WorkstationCase):
    def test_a_provisioning_that_is_cancelled_leaves_nothing(self):
        self.cloud.faults({"kind": "operation_never_ends", "call": "workstations.start"})
        workstation, run = self.order()
        wait_until(lambda: self.cloud.machines(), "the machine is there")
        self.change("DELETE", f"/v1/workstations/{workstation}")
        self.assertEqual(self.cloud.machines(), [])
        self.assertEqual(self.workstation(workstation)["status"], "deleted")
        self.assertEqual(self.hub.get(f"/v1/workflows/runs/{run}").expect(200)["status"], "cancelled")

    def test_a_workstation_is_stopped_and_started_and_taken_away(self):
        workstation = self.provision()
        at = f"/v1/workstations/{workstation['id']}"
        self.assertEqual(self.change("POST", at + "/stop")["status"], "completed")
        self.assertEqual(self.cloud.machines()[0]["state"], "STATE_STOPPED")
        self.assertEqual(self.workstation(workstation["id"])["status"], "stopped")
        self.hub.post(at + "/stop").expect_error(409, "INVALID_STATE_TRANSITION")
        self.assertEqual(self.change("POST", at + "/start")["status"], "completed")
        self.assertEqual(self.cloud.machines()[0]["state"], "STATE_RUNNING")
        self.assertEqual(self.change("DELETE", at)["status"], "completed")
        self.assertEqual(self.cloud.machines(), [])
        self.assertEqual(self.workstation(workstation["id"])["status"], "deleted")
        self.assertEqual(self.hub.get("/v1/organizations/acme").expect(200)["workstationCount"], 0)
        self.hub.delete(at).expect_error(409, "INVALID_STATE_TRANSITION")

    def test_another_tier_is_another_machine_with_the_same_home(self):
        workstation = self.provision()
        moved = self.change("PATCH", f"/v1/workstations/{workstation['id']}", {"tier": "professional"})
        self.assertEqual(moved["status"], "completed")
        found = self.workstation(workstation["id"])
        self.assertNotEqual(found["id"], workstation["id"])
        self.assertEqual((found["tier"], found["machineType"], found["status"]), ("professional", "e2-highmem-4", "running"))
        self.assertEqual(self.machine_names(), [found["id"]])
        self.assertEqual(self.cloud.machines()[0]["sourceWorkstation"], workstation["gcpWorkstationId"])
        error = self.hub.patch(f"/v1/workstations/{found['id']}", {"tier": "starter"})
        error.expect_error(400, "VALIDATION_ERROR")  # a smaller disk
        self.assertEqual(self.hub.get("/v1/organizations/acme").expect(200)["workstationCount"], 1)

    def test_a_second_change_of_tier_that_is_cancelled_late_leaves_the_new_machine_alone(self):
        workstation = self.provision()
        first = self.change("PATCH", f"/v1/workstations/{workstation['id']}", {"tier": "professional"})
        self.assertEqual(first["status"], "completed")
        # The old machine cannot be taken away: the run waits, with the new one in its user's hands.
        self.cloud.faults({"kind": "aborted", "call": "workstations.delete"})
        run = self.hub.patch(f"/v1/workstations/{workstation['id']}", {"tier": "business"}).expect(202)["run"]["id"]
        wait_until(
            lambda: self.steps(run).get("delete-workstation", {}).get("attempts"), "the old one is being taken away"
        )
        self.hub.post(f"/v1/workflows/runs/{run}/cancel", {}).expect(202)
        self.cloud.clear_faults()
        self.assertEqual(self.hub.await_run(run)["status"], "cancelled")
        found = self.workstation(workstation["id"])
        self.assertEqual((found["tier"], found["status"]), ("business", "running"))
        self.assertIn(found["id"], self.machine_names())

    def test_what_was_never_made_can_be_neither_stopped_nor_moved(self):
        self.cloud.faults({"kind": "permission", "call": "workstations.create", "permission": "x"})
        workstation, run = self.order()
        self.await_failure(run)
        at = f"/v1/workstations/{workstation}"
        for method, path, body in (("POST", at + "/stop", {}), ("POST", at + "/start", {}), ("PATCH", at, {"tier": "business"})):
            self.hub.request(method, path, body).expect_error(409, "INVALID_STATE_TRANSITION")
        self.assertEqual(self.workstation(workstation)["status"], "failed")

    def test_an_access_token_is_given_and_kept_nowhere(self):
        workstation = self.provision()
        answer = self.hub.post(f"/v1/workstations/{workstation['id']}/access-token", {"ttlMs": 600_000})
        token = answer.expect(200)["accessToken"]
        self.assertGreater(len(token), 20)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        for file in self.hub.data.rglob("*"):
            if file.is_file():
                self.assertNotIn(token.encode(), file.read_bytes(), file)
        deeds = [entry["action"] for entry in self.hub.get("/v1/audit").expect(200)]
        self.assertIn("workstation.access-token", deeds)

    def test_the_sweep_finds_what_is_lost_stopped_or_nobodys(self):
        lost, stopped, kept = (self.provision() for _ in range(3))
        self.cloud.call("DELETE", f"/v1/{lost['gcpWorkstationId']}")
        self.cloud.call("POST", f"/v1/{stopped['gcpWorkstationId']}:stop", {})
        orphan = f"{self.cloud.cluster}/workstationConfigs/starter/workstations?workstationId=ws-orphan"
        labels = self.cloud.machines()[0]["labels"]
        self.cloud.call("POST", f"/v1/{orphan}", {"labels": {"slipway-hub": labels["slipway-hub"]}})
        self.cloud.call("POST", f"/v1/{orphan}2", {"labels": {"slipway-hub": "another-hub"}})
        wait_until(lambda: len(self.cloud.machines()) == 4, "the machines are as the test wants them")
        self.assertEqual(self.change("POST", "/v1/workstations/sweep")["status"], "completed")
        self.assertEqual(self.workstation(lost["id"])["status"], "lost")
        self.assertEqual(self.workstation(stopped["id"])["status"], "stopped")
        self.assertEqual(self.workstation(kept["id"])["status"], "running")
        self.assertEqual([alert["resourceId"] for alert in self.alerts("workstation.drift")], [lost["id"]])  # too young


class PlacesTest(WorkstationCase):
    cloud_options = {"configs": False}
    settings = {"workstations": {"default_cluster": ""}}

    def test_wp22_an_organization_without_a_network_gets_nothing_and_is_told_what_to_do(self):
        _, run = self.order()
        error = self.await_failure(run)
        self.assertEqual(error["code"], "NETWORK_NOT_CONFIGURED")
        self.assertIn("slipway workstations setup --organization acme", error["message"])
        self.assertEqual(self.cloud.machines_ever(), [])
        self.assertEqual(len(self.alerts("workstation.failed")), 1)

    def test_wp22_setup_makes_the_tenants_own_place_and_is_safe_to_repeat(self):
        network = f"projects/{self.cloud.project}/global/networks/acme"
        place = {"organizationId": "acme", "network": network}
        self.assertEqual(self.change("POST", "/v1/workstations/setup", {**place, "onlyCheck": True})["status"], "completed")
        self.assertEqual(self.hub.get("/v1/organizations").expect(200), [])
        self.assertEqual(self.change("POST", "/v1/workstations/setup", place)["status"], "completed")
        effects = len(self.cloud.ledger())
        self.assertEqual(self.change("POST", "/v1/workstations/setup", place)["status"], "completed")
        self.assertEqual(len(self.cloud.ledger()), effects)  # nothing was changed
        organization = self.hub.get("/v1/organizations/acme").expect(200)
        self.assertEqual((organization["cluster"], organization["network"]), ("slipway-acme", network))
        workstation = self.provision(tier="enterprise")
        self.assertIn("/workstationClusters/slipway-acme/workstationConfigs/enterprise/", workstation["gcpWorkstationId"])
        self.assertNotIn(f"/{CLUSTER}/", workstation["gcpWorkstationId"])


class NoCloudTest(unittest.TestCase):
    def test_a_hub_without_a_cloud_says_so(self):
        with Hub() as hub:
            hub.post("/v1/workstations", ORDER).expect_error(409, "CLOUD_NOT_CONFIGURED")
            hub.get("/v1/tiers").expect_error(409, "CLOUD_NOT_CONFIGURED")
            self.assertEqual(hub.get("/v1/workstations").expect(200), [])

    def test_a_file_that_cannot_be_is_refused_at_the_start_with_the_key(self):
        with Cloud() as cloud:
            config = cloud.write_config(workstations={"poll_every": "often"})
            hub = Hub(options=["--cloud", config], started=False)
            with self.assertRaisesRegex(AssertionError, "workstations/poll_every"), hub:
                hub.start()


if __name__ == "__main__":
    unittest.main()
