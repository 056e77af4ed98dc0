"""Alerts through a real hub: seen, acknowledged and resolved, told, counted and explained."""

import contextlib
import pathlib
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402

RAISED_MS = 1_763_000_000_000


def alert_id(number):
    return f"alr_{number:026}"


def put_alert(hub, number, **columns):
    """What part of the hub would raise, written below it while it does not run."""
    row = {
        "id": alert_id(number), "kind": "workstation.quota", "severity": "warning", "state": "open",
        "resource_type": "workstation", "resource_id": f"ws-{number}", "owner_id": "", "run_id": "run_7",
        "message": "no CPUs are left", "details": '{"metric":"CPUS"}', "count": 1,
        "raised_at": RAISED_MS + number, "last_raised_at": RAISED_MS + number, "note": "", "version": 1, **columns,
    }  # fmt: skip
    with contextlib.closing(sqlite3.connect(hub.data / "slipway.db")) as database, database:
        names, places = ", ".join(row), ", ".join("?" * len(row))
        database.execute(f"INSERT INTO alerts ({names}) VALUES ({places})", list(row.values()))


class AlertsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = cls.enterClassContext(Hub(options=["--open-metrics"]))
        made = cls.hub.post("/v1/api-keys", {"name": "alice"}).expect(201)
        cls.alice, cls.alice_key = made["user_id"], made["key"]
        cls.hub.stop()
        for number in range(1, 7):
            put_alert(cls.hub, number)
        put_alert(cls.hub, 7, owner_id=cls.alice, kind="mail.failed", severity="critical")
        put_alert(cls.hub, 8, resource_id="ws-7", state="resolved", resolved_at=RAISED_MS + 9, resolved_by="usr_x")
        cls.hub.start()

    def etag(self, number):
        answer = self.hub.get("/v1/alerts/" + alert_id(number))
        answer.expect(200)
        return answer.headers["ETag"]

    def act(self, number, action, body=None, **options):
        return self.hub.post(f"/v1/alerts/{alert_id(number)}/{action}", body, **options)

    def test_lists_have_what_is_not_resolved_page_by_page(self):
        everything = self.hub.get("/v1/alerts?state=open,acknowledged,resolved").expect(200)
        self.assertEqual([alert["id"] for alert in everything], [alert_id(n) for n in range(8, 0, -1)])
        resolved = self.hub.get("/v1/alerts?state=resolved&resourceId=ws-7&kind=workstation.quota").expect(200)
        self.assertEqual([alert["id"] for alert in resolved], [alert_id(8)])
        self.assertNotIn(alert_id(8), [alert["id"] for alert in self.hub.get("/v1/alerts").expect(200)])
        first = self.hub.get("/v1/alerts?limit=2&runId=run_7")
        self.assertEqual(first.json["meta"]["pagination"]["total"], self.hub.get("/v1/alerts").json["meta"]["pagination"]["total"])
        cursor = first.json["meta"]["pagination"]["nextCursor"]
        second = self.hub.get(f"/v1/alerts?limit=2&runId=run_7&cursor={cursor}").expect(200)
        self.assertLess(second[0]["id"], first.data[-1]["id"])
        self.hub.get("/v1/alerts?state=over").expect_error(400, "VALIDATION_ERROR")

    def test_a_member_sees_the_own_ones_and_changes_none(self):
        own = self.hub.get("/v1/alerts", key=self.alice_key).expect(200)
        self.assertEqual([alert["id"] for alert in own], [alert_id(7)])
        self.hub.get("/v1/alerts/" + alert_id(1), key=self.alice_key).expect_error(404, "NOT_FOUND")
        self.act(7, "acknowledge", key=self.alice_key).expect_error(403, "FORBIDDEN")

    def test_is_acknowledged_and_resolved_once_by_who_has_seen_it(self):
        etag = self.etag(1)
        self.assertEqual(self.hub.get("/v1/alerts/" + alert_id(1), headers={"If-None-Match": etag}).status, 304)
        seen = self.act(1, "acknowledge", {"note": "on it"}, headers={"If-Match": etag}).expect(200)
        self.assertEqual((seen["state"], seen["note"], seen["version"]), ("acknowledged", "on it", 2))
        self.act(1, "resolve", headers={"If-Match": etag}).expect_error(412, "PRECONDITION_FAILED")
        self.act(1, "acknowledge").expect_error(409, "INVALID_STATE_TRANSITION")
        done = self.act(1, "resolve", {"note": "more CPUs"}).expect(200)
        self.assertEqual((done["state"], done["note"]), ("resolved", "more CPUs"))
        self.act(1, "resolve").expect_error(409, "INVALID_STATE_TRANSITION")
        audited = [e for e in self.hub.get("/v1/audit").expect(200) if e["resource_id"] == alert_id(1)]
        self.assertEqual([entry["action"] for entry in audited], ["alert.resolve", "alert.acknowledge"])

    def test_is_told_in_the_feed_and_the_log(self):
        self.act(2, "resolve").expect(200)

        def told():
            changes = self.hub.get("/v1/events?types=alert.*&resourceId=ws-2", headers={"Accept": "application/json"})
            return changes.expect(200)["changes"]

        change = wait_until(told, "the feed tells it")[0]
        self.assertEqual((change["type"], change["data"]["state"]), ("alert.resolved", "resolved"))
        wait_until(lambda: f"an alert was resolved alert={alert_id(2)}" in self.hub.log(), "the log has it")

    def test_webhooks_can_ask_for_alerts_of_a_resource(self):
        wanted = {"url": "https://example.com/", "eventTypes": ["alert.raised", "alert.*"], "resourceType": "workstation"}
        made = self.hub.post("/v1/webhooks", wanted).expect(201)
        self.hub.delete("/v1/webhooks/" + made["id"]).expect(200)

    def test_is_counted_for_prometheus(self):
        def counted():
            return 'slipway_alerts_open{kind="mail.failed",severity="critical"} 1' in self.hub.get("/metrics").text

        wait_until(counted, "the gauge counts it")

    def test_is_explained(self):
        why = self.hub.get("/v1/why/" + alert_id(7)).expect(200)
        self.assertEqual((why["kind"], why["state"]), ("alert", "open"))
        self.assertIn("no CPUs are left", why["because"])
        self.assertIn("run run_7 met it", why["because"])
        self.hub.get("/v1/why/" + alert_id(99)).expect_error(404, "NOT_FOUND")

    def test_the_command_line_does_the_same(self):
        listed = self.hub.command("alerts", "list", "--kind", "mail.failed")
        self.assertIn(alert_id(7), listed.stdout)
        self.assertIn("workstation/ws-7", self.hub.command("alerts", "show", alert_id(7)).stdout)
        self.assertIn("looking", self.hub.command("alerts", "ack", alert_id(3), "--note", "looking").stdout)
        self.assertIn("resolved", self.hub.command("alerts", "resolve", alert_id(3)).stdout)
        self.assertIn("it was resolved by usr_", self.hub.command("why", alert_id(3)).stdout)

    def test_only_those_resolved_long_ago_are_forgotten(self):
        with Hub() as hub:
            hub.stop()
            put_alert(hub, 1, state="resolved", resolved_at=RAISED_MS - 200 * 24 * 3_600_000, resolved_by="usr_x")
            put_alert(hub, 2)
            hub.start()
            schedule = "/v1/schedules/hub.forget-old"  # declared once the hub has joined
            wait_until(lambda: hub.get(schedule).status == 200, "the schedule is there")
            started = hub.post(schedule + "/trigger", {}).expect(202)
            hub.await_completed(started["run"]["id"])
            left = hub.get("/v1/alerts?state=open,acknowledged,resolved").expect(200)
            self.assertEqual([alert["id"] for alert in left], [alert_id(2)])


if __name__ == "__main__":
    unittest.main()
