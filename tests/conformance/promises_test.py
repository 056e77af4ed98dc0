"""What the API's document promises of every operation alike: Idempotency-Key (WF-41), ETag, If-Match, If-None-Match
(WF-42), problem details (WF-7). The operations come from the document: a new one that is not asked here fails the test."""

import hashlib
import http.server
import pathlib
import sys
import threading
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.cloud import CLUSTER, Cloud  # noqa: E402
from support.contract import contract  # noqa: E402
from support.hub import Hub, wait_until  # noqa: E402
from support.templates import pack, push  # noqa: E402


# Its messages are known by their ids, however often they come: tests/integration/pubsub_push_test.py.
KEYLESS = {"pushMessage", "putJobState", "checkQuota"}
PRETENCE = pathlib.Path(__file__).parents[2] / "examples" / "templates" / "scripted"
ORDER = {"userId": "ada", "organizationId": "acme", "tier": "starter", "userEmail": "ada@example.com"}
MESSAGE = {"user_id": "ada", "org_id": "acme", "tier": "starter", "user_email": "ada@example.com"}


class Receiver(http.server.BaseHTTPRequestHandler):
    """Where webhooks go: takes everything."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class PromisesTest(unittest.TestCase):
    def setUp(self):
        self.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=self.receiver.serve_forever, daemon=True).start()
        self.addCleanup(self.receiver.server_close)
        self.addCleanup(self.receiver.shutdown)
        self.cloud = self.enterContext(Cloud(configs=True))
        self.hub = self.enterContext(
            Hub(options=["--webhook-allow-private", "--cloud", self.cloud.write_config(), "--embedded-runners", 2])
        )
        self.asked = set()
        self.answered = []  # of every change asked once: the request, and its answer

    def once(self, operation_id, target, body=None, other=None):
        """Asks a change three times under one key: done, answered again, refused for another body. Gives the data."""
        operation = next(each for each in contract().operations if each.id == operation_id)
        self.assertIs(operation, contract().find(operation.method, target))
        self.asked.add(operation_id)
        key = {"Idempotency-Key": str(uuid.uuid4())}
        if "If-Match" in contract().parameters(operation, "header"):
            stale = self.hub.request(operation.method, target, body, headers={"If-Match": '"0-0"'})
            stale.expect_error(412, "PRECONDITION_FAILED")
            if seen := self.etag_of(target):
                key["If-Match"] = seen
        first = self.hub.request(operation.method, target, body, headers=key)
        self.assertLess(first.status, 300, f"{operation}: {first.text}")
        self.assertIsNone(first.headers.get("Idempotent-Replayed"))
        again = self.hub.request(operation.method, target, body, headers=key)
        self.assertEqual((first.status, first.data), (again.status, again.data), str(operation))
        self.assertEqual("true", again.headers["Idempotent-Replayed"], str(operation))
        for name in ("ETag", "Location", "Retry-After"):
            self.assertEqual(first.headers.get(name), again.headers.get(name), f"{operation}: {name}")
        different = self.hub.request(operation.method, target, {} if other is None else other, headers=key)
        different.expect_error(422, "IDEMPOTENCY_KEY_REUSED")
        self.answered.append(((operation.method, target, body, key), first))
        return first.data

    def ask_all_again(self):
        """Much later: whatever a change was made of may be gone, or be in a state that refuses it."""
        for (method, target, body, key), first in self.answered:
            with self.subTest(f"{method} {target}"):
                again = self.hub.request(method, target, body, headers=key).expect(first.status)
                self.assertEqual(first.data, again)

    def etag_of(self, target):
        """Of what the change is made of: the target, or that before its last word. None while it is not there."""
        for resource in (target, target.rpartition("/")[0]):
            operation = contract().find("GET", resource)
            if operation is not None and "If-None-Match" in contract().parameters(operation, "header"):
                return self.hub.get(resource).headers.get("ETag")
        raise AssertionError(f"{target} has no ETag")

    def done(self, accepted):
        return self.hub.await_completed(accepted["run"]["id"])

    def ask_workspaces(self):
        made = self.once("createWorkspace", "/v1/workspaces", {"name": "one"}, {"name": "two"})
        self.done(made)
        base = "/v1/workspaces/" + made["workspace"]["id"]
        wait_until(lambda: self.hub.get(base + "/status").expect(200)["agent"]["connected"], "the agent is connected")
        self.once("createConnectTicket", base + "/connect-ticket")
        self.done(self.once("stopWorkspace", base + "/stop", {"mode": "stop"}, {"mode": "suspend"}))
        self.done(self.once("startWorkspace", base + "/start"))
        self.done(self.once("deleteWorkspace", base))

    def ask_schedules(self):
        asked = {"name": "nightly", "type": "hub.forget-old", "cron": "@yearly"}
        base = "/v1/schedules/" + self.once("createSchedule", "/v1/schedules", asked, {**asked, "name": "other"})["id"]
        self.once("changeSchedule", base, {"jitterMs": 1000}, {"jitterMs": 2000})
        self.once("pauseSchedule", base + "/pause", {"reason": "a"}, {"reason": "b"})
        self.once("resumeSchedule", base + "/resume")
        self.done(self.once("triggerSchedule", base + "/trigger"))
        day = {"from": "2024-02-01", "until": "2024-02-02"}
        self.once("backfillSchedule", base + "/backfill", day, {**day, "until": "2024-02-03"})
        self.once("deleteSchedule", base)

    def ask_webhooks(self):
        url = f"http://127.0.0.1:{self.receiver.server_address[1]}/"
        asked = {"url": url, "eventTypes": ["webhook.disabled"]}
        base = "/v1/webhooks/" + self.once("createWebhook", "/v1/webhooks", asked, {**asked, "description": "x"})["id"]
        self.once("changeWebhook", base, {"description": "a"}, {"description": "b"})
        self.once("rotateWebhookSecret", base + "/rotate-secret")
        self.once("pauseWebhook", base + "/pause", {"reason": "a"}, {"reason": "b"})
        self.once("resumeWebhook", base + "/resume")
        delivery = f"{base}/deliveries/" + self.once("pingWebhook", base + "/ping")["id"]
        wait_until(lambda: self.hub.get(delivery).expect(200)["delivery"]["status"] == "delivered", "the ping is delivered")
        self.once("redeliver", delivery + "/redeliver")
        self.once("recoverDeliveries", base + "/recover", {"since": "2024-02-01"}, {"since": "2024-02-02"})
        self.once("deleteWebhook", base)

    def ask_queues_and_runs(self):
        self.once("putQueue", "/v1/queues/workspaces", {"concurrency": 1}, {"concurrency": 2})
        self.once("pauseQueue", "/v1/queues/workspaces", {"paused": True}, {"paused": False})
        waiting = self.hub.post("/v1/workspaces", {"name": "waiting"}).expect(202)
        run = "/v1/workflows/runs/" + waiting["run"]["id"]
        self.once("cancelRun", run + "/cancel")
        self.assertEqual("cancelled", self.hub.await_run(waiting["run"]["id"])["status"])
        again = self.once("retryRun", run + "/retry")
        self.once("deleteQueue", "/v1/queues/workspaces")
        self.hub.await_run(again["run"]["id"])

    def ask_workstations(self):
        made = self.once("createWorkstation", "/v1/workstations", ORDER, {**ORDER, "tier": "business"})
        self.done(made)
        base = "/v1/workstations/" + made["workstationId"]
        self.once("createWorkstationToken", base + "/access-token", {"ttlMs": 600_000})
        self.done(self.once("stopWorkstation", base + "/stop"))
        self.done(self.once("startWorkstation", base + "/start"))
        self.done(self.once("changeWorkstation", base, {"tier": "professional"}, {"tier": "business"}))
        self.done(self.once("deleteWorkstation", base))
        self.done(self.once("setUpWorkstations", "/v1/workstations/setup", {"onlyCheck": True}))
        self.done(self.once("sweepWorkstations", "/v1/workstations/sweep"))
        place = {"cluster": CLUSTER}
        for _ in ("made", "changed"):
            self.once("putOrganization", "/v1/organizations/globex", {"cluster": CLUSTER}, {"cluster": "other"})

    def ask_templates(self):
        archive = pack({file.name: file.read_text() for file in PRETENCE.iterdir()})
        name = hashlib.sha256(archive).hexdigest()
        self.once("putBlob", f"/v1/blobs/{name}", archive, b"another")
        pushed = {"archive": name, "provisioner": "scripted"}
        versions = "/v1/templates/pretence/versions"
        self.done(self.once("pushTemplateVersion", versions, pushed, {**pushed, "message": "another"}))
        quick, slow = {"parameters": {"pace": "0s"}}, {"parameters": {"pace": "20s"}}
        self.done(self.once("dryRunTemplateVersion", versions + "/v1/dry-run", quick, slow))
        self.once("changeTemplate", "/v1/templates/pretence", {"displayName": "a"}, {"displayName": "b"})
        nobodys = self.hub.post(versions, {**pushed, "tags": {"place": "nowhere"}}).expect(202)
        job = wait_until(lambda: self.hub.get("/v1/jobs?status=pending").expect(200), "the job is in line")[0]
        self.once("cancelJob", f"/v1/jobs/{job['id']}/cancel")
        self.hub.await_run(nobodys["run"]["id"])
        built = self.hub.post("/v1/workspaces", {"name": "built", "from_template": "pretence", **slow}).expect(202)
        base = "/v1/workspaces/" + built["workspace"]["id"]
        self.once("cancelBuild", f"/v1/builds/{self.hub.get(base + '/builds').expect(200)[0]['id']}/cancel")
        self.hub.await_run(built["run"]["id"])
        self.once("pushWorkspaceState", base + "/state?reason=mended", b"{}", b"[]")
        self.done(self.hub.delete(base + "?orphan=true").expect(202))
        self.once("deleteTemplate", "/v1/templates/pretence")
        self.once("putGroup", "/v1/groups/devs", {"dailyBudget": 1, "members": []}, {"dailyBudget": 2, "members": []})
        self.once("deleteGroup", "/v1/groups/devs")
        key = self.once("createDaemonKey", "/v1/daemon-keys", {"name": "a"}, {"name": "b"})["id"]
        self.once("deleteDaemonKey", f"/v1/daemon-keys/{key}")

    def ask_messages_and_alerts(self):
        for _ in range(2):
            self.cloud.publish({**MESSAGE, "tier": "no-such"})
        refused = "/v1/messages?outcome=refused"
        wait_until(lambda: len(self.hub.get(refused).expect(200)) == 2, "both are refused")
        first = self.hub.get(refused).data[0]
        alert = "/v1/alerts/" + self.hub.get("/v1/alerts?kind=message.refused").expect(200)[0]["id"]
        self.once("acknowledgeAlert", alert + "/acknowledge", {"note": "a"}, {"note": "b"})
        self.done(self.once("replayMessage", f"/v1/messages/{first['id']}/replay", {"data": MESSAGE}))
        self.once("resolveAlert", alert + "/resolve", {"note": "a"}, {"note": "b"})

    def test_each_change_is_made_once_and_only_of_what_was_seen(self):
        self.ask_workspaces()
        self.ask_schedules()
        self.ask_webhooks()
        self.ask_queues_and_runs()
        key = self.once("createApiKey", "/v1/api-keys", {"name": "a"}, {"name": "b"})["id"]
        self.once("deleteApiKey", f"/v1/api-keys/{key}")
        self.ask_workstations()
        self.ask_templates()
        self.ask_messages_and_alerts()
        self.ask_all_again()
        changes = {each.id for each in contract().operations if each.method != "GET"}
        keyed = {each.id for each in contract().operations if "Idempotency-Key" in contract().parameters(each, "header")}
        self.assertEqual(changes, keyed | KEYLESS)
        self.assertEqual(keyed, self.asked, "every operation that changes something is asked here")

    def test_what_has_not_changed_is_not_sent_again(self):
        hub = self.hub
        workspace = hub.create_workspace("seen")["id"]
        schedule = hub.post("/v1/schedules", {"name": "seen", "type": "hub.forget-old", "cron": "@yearly"}).expect(201)["id"]
        webhook = hub.post("/v1/webhooks", {"url": "http://127.0.0.1:1/", "eventTypes": ["webhook.disabled"]}).expect(201)["id"]
        listed = hub.get("/v1/workflows/runs?limit=1").expect(200)
        ids = {"workspaces": workspace, "schedules": schedule, "webhooks": webhook, "runs": listed[0]["id"]}
        ids |= {"workstations": self.provision(), "organizations": ORDER["organizationId"], "alerts": self.raise_alert()}
        ids["templates"] = self.import_template()
        for operation in contract().operations:
            if "If-None-Match" not in contract().parameters(operation, "header"):
                continue
            parts = operation.path.split("/")
            target = "/".join(ids[parts[i - 1]] if part.startswith("{") else part for i, part in enumerate(parts))
            first = hub.get(target)
            self.assertEqual(200, first.status, str(operation))
            same = hub.get(target, headers={"If-None-Match": first.headers["ETag"]})
            self.assertEqual((304, ""), (same.status, same.text), str(operation))
            self.assertEqual(200, hub.get(target, headers={"If-None-Match": '"another"'}).status, str(operation))

    def provision(self):
        made = self.hub.post("/v1/workstations", ORDER).expect(202)
        self.done(made)
        return made["workstationId"]

    def import_template(self):
        """A template is changed once more by the end of its import."""
        self.done(push(self.hub, "seen", {file.name: file.read_text() for file in PRETENCE.iterdir()}, "scripted"))
        return "seen"

    def raise_alert(self):
        self.cloud.publish(b"no order")
        return wait_until(lambda: self.hub.get("/v1/alerts?kind=message.refused").expect(200), "the alert")[0]["id"]

    def test_an_organization_is_sent_again_when_its_workstations_are_others(self):
        self.provision()
        organization = "/v1/organizations/" + ORDER["organizationId"]
        before = self.hub.get(organization).headers["ETag"]
        self.provision()
        again = self.hub.get(organization, headers={"If-None-Match": before})
        self.assertEqual(2, again.expect(200)["workstationCount"])
        # Who sets its network need not have counted them.
        self.hub.put(organization, {"cluster": CLUSTER}, headers={"If-Match": before}).expect(200)

    def test_each_error_is_a_problem_where_that_is_asked_for(self):
        hub = self.hub
        member = hub.post("/v1/api-keys", {"name": "member"}).expect(201)["key"]
        schedule = "/v1/schedules/" + hub.post("/v1/schedules", {"name": "s", "type": "hub.forget-old", "cron": "@yearly"}).data["id"]
        accept = {"Accept": "application/problem+json"}
        used = {**accept, "Idempotency-Key": "used"}
        hub.post(schedule + "/pause", {"reason": "a"}, headers=used).expect(200)
        answers = [
            hub.get("/v1/workspaces?limit=0", headers=accept),
            hub.get("/v1/workspaces", headers=accept, key=None),
            hub.get("/v1/audit", headers=accept, key=member),
            hub.get("/v1/workspaces/unknown", headers=accept),
            hub.get("/v1/no/such/route", headers=accept),
            hub.delete("/v1/me", headers=accept),
            hub.post(schedule + "/pause", headers=accept),
            hub.post(schedule + "/resume", headers={**accept, "If-Match": '"0-0"'}),
            hub.post("/v1/api-keys", b'"' + b"x" * (2 << 20) + b'"', headers=accept),
            hub.post(schedule + "/pause", {"reason": "b"}, headers=used),
        ]
        for expected, answer in zip((400, 401, 403, 404, 404, 405, 409, 412, 413, 422), answers, strict=True):
            self.assertEqual(expected, answer.status, answer.text)
            if expected == 413:
                continue  # refused by the server before it knows who wants what
            self.assertEqual("application/problem+json", answer.headers["Content-Type"], answer.text)
            problem = answer.json
            self.assertEqual(expected, problem["status"])
            self.assertEqual(answer.headers["X-Request-Id"], problem["requestId"])
            self.assertTrue(problem["code"] and problem["detail"] and problem["title"], problem)


if __name__ == "__main__":
    unittest.main(verbosity=2)
