"""Webhooks (WF-12, WF-45): a real hub, real receivers, good and bad, and hubs that are killed."""

import contextlib
import pathlib
import shutil
import sqlite3
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402
from support.postgres import Postgres  # noqa: E402
from support.receiver import Receiver  # noqa: E402

ALLOW = ["--webhook-allow-private"]


def make(hub, url, types=("*",), **fields):
    return hub.post("/v1/webhooks", {"url": url, "eventTypes": list(types), **fields}).expect(201)


def ping(hub, webhook):
    return hub.post(f"/v1/webhooks/{webhook['id']}/ping").expect(202)


def detail(hub, delivery):
    return hub.get(f"/v1/webhooks/{delivery['webhookId']}/deliveries/{delivery['id']}").expect(200)


def await_delivery(hub, delivery, condition, what):
    def look():
        found = detail(hub, delivery)
        return found if condition(found) else None

    return wait_until(look, what)


def delivered(found):
    return found["delivery"]["status"] == "delivered"


def tried(found):
    return found["delivery"]["attemptCount"] > 0


class Webhooks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub(options=ALLOW)
        cls.addClassCleanup(cls.hub.__exit__, None, None, None)
        cls.hub.__enter__()

    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)

    def add(self, path="/hook", types=("*",), **fields):
        webhook = make(self.hub, self.receiver.url(path), types, **fields)
        self.addCleanup(self.hub.delete, f"/v1/webhooks/{webhook['id']}")
        return webhook

    # WF-12
    def test_a_runs_end_is_told_and_signed(self):
        webhook = self.add(types=["run.*"])
        workspace = self.hub.create_workspace("told")
        message = wait_until(lambda: self.receiver.got(event="run.completed"), "the end is told")[0]
        data = message.json["data"]
        self.assertEqual((data["type"], data["resourceType"], data["resourceId"], data["status"]),
                         ("workspace.create", "workspace", workspace["id"], "completed"))  # fmt: skip
        self.assertTrue(message.is_signed_with(webhook["secret"]))
        self.assertNotIn(".", message.id)
        self.assertLess(len(message.text), 20_000)
        self.assertEqual(self.receiver.got(event="step.completed"), [])

    # WF-12: of steps, if asked
    def test_steps_are_told_to_those_who_ask(self):
        self.add(types=["step.*"])
        self.hub.create_workspace("stepwise")
        first = wait_until(lambda: self.receiver.got(event="step.completed"), "a step is told")[0]
        self.assertTrue(first.json["data"]["step"])

    def test_messages_about_one_resource_come_in_order(self):
        failed = set()

        def answer(message, _):
            if message.json["type"] == "run.started" and message.id not in failed:
                failed.add(message.id)
                return 500
            return 204

        self.receiver.answer = answer
        self.add(types=["workspace.*", "run.*"], ordered=True)
        self.hub.create_workspace("ordered")
        wait_until(lambda: self.receiver.got(event="run.completed"), "all is told")
        seen = list(dict.fromkeys(m.id for m in self.receiver.got()))
        types = [next(m for m in self.receiver.got() if m.id == one).json["type"] for one in seen]
        self.assertEqual(types[:2], ["workspace.created", "run.started"])
        self.assertEqual(types[-1], "run.completed")
        self.assertEqual(len(failed), 1)

    # ---- receivers that do not do as they should

    def attempt_of(self, answer, host="127.0.0.1"):
        """What the first attempt came to, when the receiver answers so."""
        self.receiver.answer = answer
        webhook = make(self.hub, self.receiver.url(host=host))
        self.addCleanup(self.hub.delete, f"/v1/webhooks/{webhook['id']}")
        found = await_delivery(self.hub, ping(self.hub, webhook), tried, "an attempt is made")
        return found

    def test_only_success_is_success(self):
        for status in (200, 201, 204, 299):
            self.assertTrue(delivered(self.attempt_of(lambda *_, s=status: s)), status)
        for status in (301, 302, 307, 400, 401, 404, 500, 503):
            found = self.attempt_of(lambda *_, s=status: (s, {"Location": self.receiver.url("/elsewhere")}))
            self.assertEqual(found["delivery"]["status"], "pending", status)
            self.assertEqual(found["attempts"][0]["error"]["code"], f"HTTP_{status}")
            self.assertEqual(found["attempts"][0]["response"]["status"], status)
            self.assertEqual(found["attempts"][0]["url"], self.receiver.url())
        self.assertEqual(self.receiver.got(path="/elsewhere"), [])

    def test_a_huge_answer_is_read_only_in_part(self):
        def answer(_, handler):
            handler.send_response(200)
            handler.send_header("Content-Length", str(1 << 30))
            handler.end_headers()
            try:
                for _ in range(1 << 14):
                    handler.wfile.write(b"x" * 65536)
            except OSError:
                pass
            handler.close_connection = True

        found = self.attempt_of(answer)
        self.assertTrue(delivered(found))
        self.assertEqual(len(found["attempts"][0]["response"]["body"]), 4096)

    def test_garbage_and_broken_connections_are_failures(self):
        def garbage(_, handler):
            handler.wfile.write(b"\x00\xff this is no HTTP \r\n\r\n\xfe")
            handler.close_connection = True

        def closing(_, handler):
            handler.close_connection = True

        def binary(_, handler):
            body = b"\x00\xff\xfe" * 100
            handler.send_response(500)
            handler.send_header("X-Odd", "\xe9\xff")
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        for answer in (garbage, closing):
            found = self.attempt_of(answer)
            self.assertEqual(found["delivery"]["status"], "pending")
            self.assertTrue(found["attempts"][0]["error"]["code"])
            self.assertNotIn("response", found["attempts"][0])
        found = self.attempt_of(binary)
        self.assertEqual(found["attempts"][0]["response"]["body"], "?" * 300)

    def test_a_receiver_that_never_answers_times_out(self):
        never = threading.Event()
        self.addCleanup(never.set)
        found = self.attempt_of(lambda *_: never.wait() and None)
        self.assertEqual(found["attempts"][0]["error"]["code"], "TIMEOUT")

    def test_nobody_there_is_a_failure(self):
        self.receiver.close()
        webhook = make(self.hub, self.receiver.url())
        found = await_delivery(self.hub, ping(self.hub, webhook), tried, "an attempt is made")
        self.assertEqual(found["attempts"][0]["error"]["code"], "CONNECTION_FAILED")
        self.hub.delete(f"/v1/webhooks/{webhook['id']}").expect(200)

    def test_retry_after_holds_the_endpoint_back(self):
        found = self.attempt_of(lambda *_: (429, {"Retry-After": "600"}))
        webhook = self.hub.get(f"/v1/webhooks/{found['delivery']['webhookId']}").expect(200)
        self.assertGreater(webhook["holdUntil"], webhook["lastFailureAt"])
        self.assertGreaterEqual(found["delivery"]["nextAttemptAt"], webhook["holdUntil"])

    # WF-45: a failure is tried again after some seconds, under the same id
    def test_a_failed_delivery_is_tried_again(self):
        self.receiver.answer = lambda *_: 500 if len(self.receiver.got()) < 2 else 200
        webhook = self.add()
        delivery = ping(self.hub, webhook)
        found = await_delivery(self.hub, delivery, delivered, "the second attempt")
        self.assertEqual([a["number"] for a in found["attempts"]], [1, 2])
        self.assertEqual({m.id for m in self.receiver.got()}, {delivery["id"]})

    def test_gone_disables_and_resume_enables(self):
        others = self.add(path="/others", types=["webhook.disabled"])
        self.receiver.answer = lambda message, _: 410 if message.path == "/hook" else 204
        webhook = self.add()
        path = f"/v1/webhooks/{webhook['id']}"
        delivery = ping(self.hub, webhook)
        wait_until(lambda: self.hub.get(path).data["status"] == "disabled", "it is disabled")
        told = wait_until(lambda: self.receiver.got(path="/others"), "the other endpoint is told")[0]
        self.assertEqual(told.json["data"]["id"], webhook["id"])
        self.assertEqual(told.json["data"]["origin"], self.receiver.url("").rstrip("/"))
        self.assertNotIn("url", told.json["data"])
        self.assertTrue(told.is_signed_with(others["secret"]))
        self.hub.post(path + "/ping").expect_error(409, "INVALID_STATE_TRANSITION")
        self.receiver.answer = lambda *_: 204
        self.assertEqual(self.hub.post(path + "/resume").expect(200)["status"], "active")
        since = delivery["createdAt"]
        self.assertGreaterEqual(self.hub.post(path + "/recover", {"since": since}).expect(200)["count"], 1)
        await_delivery(self.hub, delivery, delivered, "it is delivered after all")

    # ---- the resource

    def test_the_secret_is_shown_once(self):
        webhook = self.add()
        self.assertTrue(webhook["secret"].startswith("whsec_"))
        for text in (self.hub.get(f"/v1/webhooks/{webhook['id']}").text, self.hub.get("/v1/webhooks").text):
            self.assertNotIn(webhook["secret"], text)
            self.assertNotIn('"secret"', text)
        for stored in self.hub.data.glob("slipway.db*"):
            self.assertNotIn(webhook["secret"].encode(), stored.read_bytes())

    def test_both_secrets_are_good_while_one_is_rotated(self):
        webhook = self.add()
        fresh = self.hub.post(f"/v1/webhooks/{webhook['id']}/rotate-secret", {"graceMs": 3_600_000}).expect(200)
        self.assertNotEqual(fresh["secret"], webhook["secret"])
        ping(self.hub, webhook)
        message = wait_until(self.receiver.got, "a message")[0]
        self.assertTrue(message.is_signed_with(webhook["secret"]) and message.is_signed_with(fresh["secret"]))
        self.hub.post(f"/v1/webhooks/{webhook['id']}/rotate-secret").expect_error(409, "CONFLICT")
        last = self.hub.post(f"/v1/webhooks/{webhook['id']}/rotate-secret", {"graceMs": 0}).expect(200)
        ping(self.hub, webhook)
        message = wait_until(lambda: self.receiver.got()[1:], "another message")[0]
        self.assertTrue(message.is_signed_with(last["secret"]))
        self.assertFalse(message.is_signed_with(fresh["secret"]))

    def test_a_paused_webhook_keeps_what_happens(self):
        webhook = self.add()
        path = f"/v1/webhooks/{webhook['id']}"
        self.hub.post(path + "/pause", {"reason": "moving"}).expect(200)
        delivery = ping(self.hub, webhook)
        self.assertEqual(delivery["waitsFor"], "resume")
        self.hub.post(path + "/pause").expect_error(409, "INVALID_STATE_TRANSITION")
        self.assertEqual(self.receiver.got(), [])
        self.hub.post(path + "/resume").expect(200)
        await_delivery(self.hub, delivery, delivered, "it is sent after the pause")

    def test_a_delivery_can_be_sent_again_under_its_id(self):
        webhook = self.add()
        delivery = ping(self.hub, webhook)
        await_delivery(self.hub, delivery, delivered, "the first time")
        path = f"/v1/webhooks/{webhook['id']}/deliveries/{delivery['id']}/redeliver"
        first = self.hub.post(path, headers={"Idempotency-Key": "again"})
        first.expect(202)
        again = self.hub.post(path, headers={"Idempotency-Key": "again"})
        self.assertEqual((again.expect(202), again.headers["Idempotent-Replayed"]), (first.data, "true"))
        wait_until(lambda: len(self.receiver.got()) == 2, "it came again")
        found = await_delivery(self.hub, delivery, lambda f: len(f["attempts"]) == 2, "both attempts are kept")
        self.assertEqual({m.id for m in self.receiver.got()}, {delivery["id"]})
        self.assertEqual(found["request"]["headers"]["webhook-signature"], "*redacted*")
        self.assertEqual(found["request"]["body"], self.receiver.got()[0].text)

    def test_nobody_has_too_many(self):
        member = self.hub.post("/v1/api-keys", {"name": "collector", "role": "member"}).expect(201)["key"]
        body = {"url": self.receiver.url("/many"), "eventTypes": ["*"]}
        for _ in range(50):
            self.hub.post("/v1/webhooks", body, key=member).expect(201)
        self.hub.post("/v1/webhooks", body, key=member).expect_error(403, "QUOTA_EXCEEDED")
        mine = self.hub.get("/v1/webhooks?limit=200", key=member).expect(200)
        self.hub.delete(f"/v1/webhooks/{mine[0]['id']}", key=member).expect(200)
        self.hub.post("/v1/webhooks", body, key=member).expect(201)

    def test_metrics_count_what_came_of_attempts(self):
        def counted(outcome):
            name = f'slipway_webhook_attempts_total{{outcome="{outcome}"}} '
            lines = [line for line in self.hub.get("/metrics").text.splitlines() if line.startswith(name)]
            return float(lines[0].split()[-1]) if lines else 0

        before = {outcome: counted(outcome) for outcome in ("delivered", "refused")}
        for status in (204, 404):
            self.attempt_of(lambda *_, s=status: s)
        for outcome, count in before.items():
            wait_until(lambda o=outcome, c=count: counted(o) > c, f"an attempt is counted as {outcome}")
        text = self.hub.get("/metrics").text
        for name in ("attempt_duration_seconds_count", "deliveries_pending"):
            self.assertIn(f"slipway_webhook_{name}", text)
        self.assertIn("slipway_webhooks_disabled", text)

    def test_why_explains_webhooks_and_deliveries(self):
        self.receiver.answer = lambda *_: (503, {"Retry-After": "600"})
        webhook = self.add()
        delivery = ping(self.hub, webhook)
        await_delivery(self.hub, delivery, tried, "an attempt is made")
        why = self.hub.get(f"/v1/why/{delivery['id']}").expect(200)
        self.assertEqual((why["kind"], why["state"]), ("webhook delivery", "pending"))
        self.assertIn("503", " ".join(why["because"]))
        self.assertTrue(why["next"][-1]["at"])
        why = self.hub.get(f"/v1/why/{webhook['id']}").expect(200)
        self.assertEqual((why["kind"], why["state"]), ("webhook", "active"))
        member = self.hub.post("/v1/api-keys", {"name": "curious", "role": "member"}).expect(201)["key"]
        for thing in (webhook, delivery):
            self.hub.get(f"/v1/why/{thing['id']}", key=member).expect_error(404, "NOT_FOUND")

    def test_deliveries_are_listed_by_page_and_filter(self):
        webhook = self.add()
        made = [ping(self.hub, webhook)["id"] for _ in range(5)]
        path = f"/v1/webhooks/{webhook['id']}/deliveries"
        wait_until(lambda: len(self.hub.get(path + "?status=delivered").data) == 5, "all are delivered")
        seen, cursor = [], ""
        while cursor is not None:
            answer = self.hub.get(path + "?limit=2" + (f"&cursor={cursor}" if cursor else ""))
            seen += [d["id"] for d in answer.expect(200)]
            cursor = answer.json["meta"]["pagination"].get("nextCursor")
        self.assertEqual(seen, made[::-1])
        self.assertEqual(self.hub.get(path + "?status=failed").data, [])
        self.assertEqual(len(self.hub.get(path + "?type=webhook.ping").data), 5)
        self.assertEqual(self.hub.get(path + "?since=2999-01-01").data, [])
        self.hub.get(path + "?status=lost").expect_error(400, "VALIDATION_ERROR")

    def test_changes_need_the_version_that_was_seen(self):
        webhook = self.add()
        path = f"/v1/webhooks/{webhook['id']}"
        tag = self.hub.get(path).headers["ETag"]
        unchanged = self.hub.get(path, headers={"If-None-Match": tag})
        self.assertEqual((unchanged.status, unchanged.headers["ETag"]), (304, tag))
        self.assertTrue(unchanged.headers["X-Request-Id"])
        changed = self.hub.patch(path, {"description": "d", "runType": "workspace.create"}, headers={"If-Match": f'"0-a", {tag}'})
        self.assertEqual(changed.expect(200)["runType"], "workspace.create")
        self.hub.patch(path, {"description": "e"}, headers={"If-Match": tag}).expect_error(412, "PRECONDITION_FAILED")
        self.assertNotIn("runType", self.hub.patch(path, {"runType": None}).expect(200))
        self.hub.delete(path, headers={"If-Match": tag}).expect_error(412, "PRECONDITION_FAILED")

    def test_what_is_wrong_is_named(self):
        url = self.receiver.url()
        for body, field in (
            ({"url": "nope", "eventTypes": ["*"]}, "url"),
            ({"url": "ftp://example.com", "eventTypes": ["*"]}, "url"),
            ({"url": "https://u:p@example.com/", "eventTypes": ["*"]}, "url"),
            ({"url": "http://169.254.169.254/", "eventTypes": ["*"]}, "url"),
            ({"url": "http://169.254.169.254./", "eventTypes": ["*"]}, "url"),
            ({"url": "http://168.63.129.16/", "eventTypes": ["*"]}, "url"),
            ({"url": "https://example.com/" + "x" * 2000, "eventTypes": ["*"]}, "url"),
            ({"url": url, "eventTypes": []}, "eventTypes"),
            ({"url": url, "eventTypes": ["run.exploded"]}, "eventTypes/0"),
            ({"url": url, "eventTypes": ["*"], "format": "xml"}, "format"),
            ({"url": url}, "eventTypes"),
            ({"url": url, "eventTypes": ["*"], "colour": "red"}, "colour"),
        ):
            error = self.hub.post("/v1/webhooks", body).expect_error(400, "VALIDATION_ERROR")
            self.assertEqual(error["details"]["field"].lstrip("/"), field, body)

    def test_a_member_reaches_his_own_only(self):
        member = self.hub.post("/v1/api-keys", {"name": "member", "role": "member"}).expect(201)["key"]
        theirs = self.add()
        body = {"url": self.receiver.url("/member"), "eventTypes": ["*"]}
        own = self.hub.post("/v1/webhooks", body, key=member).expect(201)
        self.assertEqual([w["id"] for w in self.hub.get("/v1/webhooks", key=member).data], [own["id"]])
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/ping"), ("POST", "/rotate-secret"), ("GET", "/deliveries")):
            self.hub.request(method, f"/v1/webhooks/{theirs['id']}{path}", key=member).expect_error(404, "NOT_FOUND")
        self.hub.post("/v1/webhooks", {**body, "scope": "all"}, key=member).expect_error(403, "FORBIDDEN")
        error = self.hub.patch(f"/v1/webhooks/{own['id']}", {"scope": "all"}).expect_error(403, "FORBIDDEN")
        self.assertIn("webhook", error["message"])  # the admin may, the owner may not
        self.hub.get("/v1/webhooks?owner=all", key=member).expect_error(403, "FORBIDDEN")
        self.hub.create_workspace("not-the-members")
        wait_until(lambda: self.receiver.got(path="/hook", event="run.completed"), "the owner is told")
        self.assertEqual(self.receiver.got(path="/member"), [])
        self.hub.delete(f"/v1/webhooks/{own['id']}", key=member).expect(200)


def loopback_name():
    """A name that leads to this machine and does not say so."""
    for line in pathlib.Path("/etc/hosts").read_text().splitlines():
        words = line.partition("#")[0].split()
        for name in words[1:]:
            if words[0].startswith("127.") and "localhost" not in name:
                return name
    raise AssertionError("/etc/hosts has no name for this machine but localhost")


class Guarded(unittest.TestCase):
    # WF-45: checked after the name was resolved
    def test_a_name_that_leads_inside_is_not_followed(self):
        with Receiver() as receiver, Hub() as hub:
            webhook = make(hub, receiver.url(host=loopback_name()))
            found = await_delivery(hub, ping(hub, webhook), tried, "an attempt is made")
            self.assertEqual(found["attempts"][0]["error"]["code"], "ADDRESS_REFUSED")
            self.assertNotIn("127.0", found["attempts"][0]["error"]["message"])
            self.assertEqual(receiver.got(), [])
            for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "127.1"):
                body = {"url": f"http://{host}:{receiver.port}/", "eventTypes": ["*"]}
                error = hub.post("/v1/webhooks", body).expect_error(400, "VALIDATION_ERROR")
                self.assertEqual(error["details"]["field"], "url")

    def test_single_networks_can_be_allowed(self):
        with Receiver() as receiver, Hub(options=["--webhook-allow", "127.0.0.0/8"]) as hub:
            delivery = ping(hub, make(hub, receiver.url()))
            await_delivery(hub, delivery, delivered, "it is delivered")
            hub.post("/v1/webhooks", {"url": "http://10.0.0.1/", "eventTypes": ["*"]}).expect(400)


class Failed(unittest.TestCase):
    # WF-13
    def test_a_failed_run_and_what_became_of_its_resource_are_told(self):
        with Receiver() as receiver, Hub(options=ALLOW) as hub:
            make(hub, receiver.url(), types=["run.failed", "workspace.updated"])
            hub.put("/v1/queues/workspaces", {}).expect(200)
            hub.patch("/v1/queues/workspaces", {"paused": True}).expect(200)
            accepted = hub.post("/v1/workspaces", {"name": "doomed"}).expect(202)
            hub.stop()
            with contextlib.closing(sqlite3.connect(hub.data / "slipway.db")) as database:
                database.execute("UPDATE workspaces SET machine_type = 'none'")  # as if a provider no longer had it
                database.commit()
            hub.start()
            hub.patch("/v1/queues/workspaces", {"paused": False}).expect(200)
            self.assertEqual(hub.await_run(accepted["run"]["id"])["status"], "failed")
            told = wait_until(lambda: receiver.got(event="run.failed"), "the failure is told")[0].json["data"]
            self.assertEqual((told["id"], told["error"]["code"]), (accepted["run"]["id"], "VALIDATION_ERROR"))
            self.assertEqual(told["error"]["step"], "validate")
            wait_until(lambda: any(m.json["data"]["status"] == "ERROR" for m in receiver.got(event="workspace.updated")),
                       "that the workspace is in error is told")  # fmt: skip


class Killed(unittest.TestCase):
    def test_a_hub_killed_between_attempts_loses_nothing(self):
        with Receiver() as receiver, Hub(options=ALLOW) as hub:
            killed = threading.Event()
            self.addCleanup(killed.set)
            failed = set()

            # A third attempt would come only after minutes: the second, should it come before the kill, is one that the
            # kill cuts off.
            def answer(message, _):
                if message.id in failed:
                    return killed.wait() and 204
                failed.add(message.id)
                return 500

            receiver.answer = answer
            webhook = make(hub, receiver.url())
            deliveries = [ping(hub, webhook) for _ in range(5)]
            for delivery in deliveries:
                await_delivery(hub, delivery, tried, "a first attempt")
            hub.kill()
            killed.set()
            hub.start()
            for delivery in deliveries:
                await_delivery(hub, delivery, delivered, "a later attempt")
            self.assertEqual({m.id for m in receiver.got()}, {d["id"] for d in deliveries})

    def test_what_was_being_sent_is_sent_again_under_its_id(self):
        with Receiver() as receiver, Hub(options=ALLOW) as hub:
            dead = threading.Event()
            receiver.answer = lambda *_: dead.wait() and 204
            delivery = ping(hub, make(hub, receiver.url()))
            wait_until(receiver.got, "it is being sent")
            hub.kill()
            dead.set()
            hub.start()
            await_delivery(hub, delivery, delivered, "it is sent again")
            self.assertEqual([m.id for m in receiver.got()], [delivery["id"]] * 2)

    def test_changes_committed_before_a_kill_are_told_after_it(self):
        with Receiver() as receiver, Hub(options=ALLOW) as hub:
            make(hub, receiver.url(), types=["run.*"], ordered=True)
            runs = []
            for round_ in range(3):
                runs.append(hub.post("/v1/workspaces", {"name": f"w{round_}"}).expect(202)["run"]["id"])
                hub.kill()
                hub.start()
            for run in runs:
                hub.await_completed(run)
            ended = lambda: {m.json["data"]["id"] for m in receiver.got(event="run.completed")}  # noqa: E731
            wait_until(lambda: ended() >= set(runs), "every end is told")


class TwoHubs(unittest.TestCase):
    def test_each_message_is_sent_once_by_two_hubs_on_postgres(self):
        postgres = Postgres()
        self.addCleanup(postgres.close)
        options = ["--database", postgres.url, *ALLOW]
        with Receiver() as receiver, Hub(options=options) as first:
            other = Hub(options=options, started=False)
            other.data.mkdir(parents=True)
            shutil.copy2(first.data / "seal.key", other.data / "seal.key")  # they share what is sealed
            webhook = make(first, receiver.url(), types=["run.*"])
            with other as second:
                second.start()
                deliveries = []
                for _ in range(50):
                    for hub in (first, second):
                        answer = hub.post(f"/v1/webhooks/{webhook['id']}/ping", key=first.key)
                        deliveries.append(answer.expect(202)["id"])
                first.create_workspace("shared")
                wait_until(lambda: receiver.got(event="run.completed"), "the run's end is told")
                wait_until(lambda: {m.id for m in receiver.got()} >= set(deliveries), "all are delivered")
                ids = [m.id for m in receiver.got()]
                self.assertEqual(len(ids), len(set(ids)), "some were sent twice")


if __name__ == "__main__":
    unittest.main()
