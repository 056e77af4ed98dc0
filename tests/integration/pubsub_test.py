"""Orders come by Google's Pub/Sub (its emulator): each becomes one run, whatever happens on the way (WP-1)."""

import http.server
import json
import pathlib
import sys
import threading
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.cloud import DEAD_LETTER_TOPIC, EVENTS_TOPIC, PROJECT, PROVISIONING_TOPIC, Cloud  # noqa: E402
from support.hub import Hub, wait_until  # noqa: E402
from support.pubsub import Emulator  # noqa: E402

MANY = 1000


def order(number, **fields):
    return {
        "user_id": f"user-{number}", "org_id": "acme", "tier": "starter", "user_email": f"user-{number}@example.com",
        **fields,
    }  # fmt: skip


def total(hub, query):
    return hub.get(f"/v1/messages?limit=1&{query}").json["meta"]["pagination"]["total"]


def all_messages(hub, query=""):
    """Those of all pages, by the topic's ids."""
    messages, cursor = {}, ""
    while True:
        answer = hub.get(f"/v1/messages?limit=200{query}{cursor}")
        for message in answer.expect(200):
            messages[message["messageId"]] = message
        page = answer.json["meta"]["pagination"]
        if not page["hasMore"]:
            return messages
        cursor = "&cursor=" + page["nextCursor"]


def runs_of(hub, kind="workstation.provision"):
    return hub.get(f"/v1/workflows/runs?type={kind}&limit=1").json["meta"]["pagination"]["total"]


def message_of(hub, message_id):
    return all_messages(hub).get(message_id)


def await_message(hub, message_id, patience_s=120):
    return wait_until(lambda: message_of(hub, message_id), f"message {message_id} is received", patience_s)


def metric(hub, line_start):
    for line in hub.get("/metrics").text.splitlines():
        if line.startswith(line_start):
            return float(line.split()[-1])
    return 0.0


class Holding(http.server.ThreadingHTTPServer):
    """Hands requests on to the emulator, but none whose path ends with `held`, until it is released."""

    daemon_threads = True

    def __init__(self, target, held):
        self.target, self.held = target, held
        self.released = threading.Event()
        self.seen = threading.Event()
        super().__init__(("127.0.0.1", 0), Hand)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self):
        self.released.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass  # a hub that was killed reads no answer


class Hand(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.split("?")[0].endswith(self.server.held) and not self.server.released.is_set():
            self.server.seen.set()
            self.server.released.wait()
            self.close_connection = True  # it never arrives: who sent it is gone
            return
        request = urllib.request.Request(
            self.server.target + self.path, data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                status, answer = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, answer = error.code, error.read()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class PubsubTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pubsub = cls.enterClassContext(Emulator())
        cls.cloud = cls.enterClassContext(Cloud(configs=True))

    def setUp(self):
        """What one test leaves undone is not another's: each has a subscription of its own."""
        self.subscription = "orders-" + self.id().split(".")[-1][5:60]
        self.subscribe(self.subscription)

    def subscribe(self, name, **fields):
        self.pubsub.subscribe(name, PROVISIONING_TOPIC, ackDeadlineSeconds=10, **fields)

    def config(self):
        return self.pubsub.write_config(self.cloud, pubsub={"subscription": self.subscription})

    def hub(self):
        return self.enterContext(Hub(options=["--cloud", self.config()]))

    def test_wp01_an_order_becomes_a_workstation_and_the_world_hears_of_it(self):
        self.pubsub.subscribe("listener", EVENTS_TOPIC)
        hub = self.hub()
        message_id = self.pubsub.publish(order(1), attributes={"origin": "checkout"})
        message = await_message(hub, message_id)
        self.assertEqual(message["outcome"], "accepted")
        self.assertEqual(message["subscription"], f"projects/{PROJECT}/subscriptions/{self.subscription}")
        hub.await_completed(message["runId"])
        heard = wait_until(lambda: self.pubsub.pull_all("listener"), "the event is published")
        self.assertEqual(len(heard), 1)
        event = json.loads(heard[0]["text"])
        self.assertEqual((event["event"], event["user_id"]), ("workstation.ready", "user-1"))
        # At least once: what comes again is acknowledged again.
        wait_until(lambda: metric(hub, "slipway_pubsub_acked_total") >= 1, "it is acknowledged")
        wait_until(lambda: metric(hub, "slipway_pubsub_outstanding") == 0, "nothing is left")

    def test_wp01_what_can_never_work_is_set_aside_and_blocks_nothing(self):
        self.pubsub.subscribe("dead-letters", DEAD_LETTER_TOPIC)
        hub = self.hub()
        poison = [b" ", b"{", b"\xff\xfe", b"[]", b"{}", order(2, tier="platinum"), order(2, user_email="nobody")]
        ids = self.pubsub.publish_all(poison)
        good = self.pubsub.publish(order(3, later={"a": [1]}))
        self.assertEqual(await_message(hub, good)["outcome"], "accepted")
        wait_until(lambda: total(hub, "outcome=refused") == len(poison), "all are refused")
        found = all_messages(hub)
        reasons = [found[message_id]["reason"] for message_id in ids]
        self.assertEqual(
            reasons,
            ["not_json", "not_json", "not_utf8", "not_an_object", "missing_field", "unknown_tier", "invalid_field"],
        )
        self.assertEqual(metric(hub, 'slipway_messages_refused_total{reason="not_json"}'), 2)
        alerts = hub.get("/v1/alerts?kind=message.refused").expect(200)
        self.assertEqual([alert["count"] for alert in alerts], [len(poison)])

        letters = {}

        def all_letters():
            for letter in self.pubsub.pull_all("dead-letters"):
                letters[letter["attributes"]["slipwaySourceMessageId"]] = letter
            return len(letters) == len(poison)

        wait_until(all_letters, "all are in the dead-letter topic")
        tier = letters[ids[5]]
        self.assertEqual(json.loads(tier["text"])["tier"], "platinum")
        self.assertEqual(tier["attributes"]["slipwayReason"], "unknown_tier")
        wait_until(lambda: all(m.get("deadLetterMessageId") for m in all_messages(hub, "&outcome=refused").values()),
                   "that is noted")  # fmt: skip
        wait_until(lambda: metric(hub, "slipway_pubsub_acked_total") > len(poison), "all are acknowledged")

    def test_wp01_a_refused_order_is_replayed_once(self):
        hub = self.hub()
        wrong, other = self.pubsub.publish_all([order(4, tier="platinum"), b"{"])
        message, broken = await_message(hub, wrong), await_message(hub, other)
        shown = hub.get(f"/v1/messages/{message['id']}").expect(200)
        self.assertEqual(json.loads(shown["data"])["tier"], "platinum")
        replay = f"/v1/messages/{message['id']}/replay"
        hub.post(replay).expect_error(400, "VALIDATION_ERROR")  # the tier is still unknown
        hub.post(replay, {"data": {"tier": "starter"}}).expect_error(400, "VALIDATION_ERROR")
        key = {"Idempotency-Key": "replay-4"}
        accepted = hub.post(replay, {"data": order(4)}, headers=key).expect(202)
        again = hub.post(replay, {"data": order(4)}, headers=key).expect(202)
        self.assertEqual(again["run"]["id"], accepted["run"]["id"])
        hub.post(replay, {"data": order(4)}).expect_error(409, "INVALID_STATE_TRANSITION")
        run = hub.await_completed(accepted["run"]["id"])
        shown = hub.get(f"/v1/messages/{message['id']}").expect(200)
        self.assertEqual((shown["outcome"], shown["runId"]), ("accepted", run["id"]))
        self.assertEqual(shown["reason"], "unknown_tier")  # what it once was
        self.assertEqual(runs_of(hub), 1)

        # The alert stands while one is left.
        alerts = "/v1/alerts?kind=message.refused"
        self.assertEqual(len(hub.get(alerts).expect(200)), 1)
        listed = hub.command("messages", "list", "--outcome", "refused")
        self.assertIn(broken["id"], listed.stdout, listed.stderr)
        still = hub.command("messages", "replay", "--all-refused", "--since", "1h")
        self.assertEqual((still.returncode, still.stdout), (1, "0 replayed, 1 still refused.\n"), still.stderr)
        mended = hub.command("messages", "replay", broken["id"], "--order", "-", input=json.dumps(order(5)))
        self.assertEqual(mended.returncode, 0, mended.stderr)
        self.assertEqual(hub.get(alerts).expect(200), [])
        audited = [entry["action"] for entry in hub.get("/v1/audit?limit=200").expect(200)]
        self.assertEqual(audited.count("message.replay"), 2)

    def test_wp01_members_do_not_see_messages(self):
        hub = self.hub()
        member = hub.post("/v1/api-keys", {"name": "bob", "role": "member"}).expect(201)["key"]
        for method, path in (("GET", "/v1/messages"), ("GET", "/v1/messages/msg_1"), ("POST", "/v1/messages/x/replay")):
            hub.request(method, path, key=member).expect_error(403, "FORBIDDEN")
        hub.get("/v1/messages/msg_1").expect_error(404, "NOT_FOUND")

    def test_wp01_killed_between_the_commit_and_the_acknowledgement_it_is_one_run(self):
        proxy = Holding(self.pubsub.url, ":acknowledge")
        self.addCleanup(proxy.close)
        config = self.config()
        config.write_text(config.read_text().replace(self.pubsub.url, proxy.url))
        hub = self.enterContext(Hub(options=["--cloud", config]))
        message_id = self.pubsub.publish(order(6))
        first = await_message(hub, message_id)
        self.assertTrue(proxy.seen.wait(60), "the hub acknowledges")
        hub.kill()
        proxy.released.set()
        hub.start()
        wait_until(lambda: message_of(hub, message_id)["deliveries"] >= 2, "it is delivered again", patience_s=120)
        self.assertEqual(message_of(hub, message_id)["runId"], first["runId"])
        hub.await_completed(first["runId"])
        self.assertEqual(runs_of(hub), 1)
        machines = [machine for machine in self.cloud.machines() if machine["name"].split("/")[-1].startswith("ws-user6")]
        self.assertEqual(len(machines), 1)
        wait_until(lambda: metric(hub, "slipway_pubsub_acked_total") >= 1, "it is acknowledged")

    def test_wp01_a_hub_that_is_killed_again_and_again_loses_and_doubles_nothing(self):
        hub = self.hub()
        ids = []
        for round_ in range(4):
            ids += self.pubsub.publish_all([order(f"k{round_}-{i}") for i in range(40)])
            wait_until(lambda: total(hub, "outcome=accepted") > round_ * 40, "some of them are taken")
            hub.kill()
            hub.start()
        wait_until(lambda: total(hub, "outcome=accepted") == len(ids), "all are taken", patience_s=180)
        found = all_messages(hub)
        self.assertEqual(set(found), set(ids))
        self.assertEqual(len({message["runId"] for message in found.values()}), len(ids))
        self.assertEqual(runs_of(hub), len(ids))
        hub.kill()  # what they are at is another test's subject

    def test_wp01_a_thousand_orders(self):
        hub = self.hub()
        ids = []
        for batch in range(4):
            ids += self.pubsub.publish_all([order(f"m{batch}-{i}") for i in range(MANY // 4)])
        wait_until(lambda: total(hub, "outcome=accepted") == MANY, "all are taken", patience_s=240)
        self.assertEqual(runs_of(hub), MANY)
        self.assertEqual(set(all_messages(hub)), set(ids))
        hub.kill()

    def test_wp16_orders_are_taken_again_after_pubsub_was_away(self):
        hub = self.hub()
        self.assertTrue(await_message(hub, self.pubsub.publish(order(7))))
        self.pubsub.kill()
        wait_until(lambda: metric(hub, "slipway_pubsub_pull_errors_total") > 0, "pulls fail")
        self.pubsub.start()
        self.subscribe(self.subscription)
        known = set(all_messages(hub))
        # The emulator begins its ids anew, as Pub/Sub never does.
        ids = self.pubsub.publish_all([order(f"again-{i}") for i in range(len(known) + 1)])
        fresh = (set(ids) - known).pop()
        self.assertEqual(await_message(hub, fresh)["outcome"], "accepted")

    def test_orders_with_an_ordering_key_are_all_taken(self):
        self.subscription = "in-order"
        self.subscribe("in-order", enableMessageOrdering=True)
        hub = self.hub()
        orders = [order(f"o{i}") for i in range(10)]
        orders[3] = b"{"
        ids = self.pubsub.publish_all(orders, ordering_key="acme")
        wait_until(lambda: len(all_messages(hub)) == len(ids), "all are taken")
        outcomes = [all_messages(hub)[message_id]["outcome"] for message_id in ids]
        self.assertEqual(outcomes, ["accepted"] * 3 + ["refused"] + ["accepted"] * 6)


if __name__ == "__main__":
    unittest.main()
