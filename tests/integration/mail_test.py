"""Mail, alerts and metrics of provisionings: a simulated cloud, a real mail server, and a real hub between them."""

import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.cloud import Cloud  # noqa: E402
from support.hub import Hub, wait_until  # noqa: E402
from support.mailbox import Mailbox  # noqa: E402

PASSWORD = "a pass word, ümlaut"
OPERATOR = "ops@example.com"


class MailTest(unittest.TestCase):
    def setUp(self):
        self.mailbox = self.enterContext(Mailbox(tls="starttls", user=("hub", PASSWORD)))
        self.cloud = self.enterContext(Cloud(configs=True))
        (self.cloud.folder / "password").write_text(PASSWORD + "\n")
        mail = {
            "url": self.mailbox.url, "starttls": "required", "username": "hub",
            "password_file": str(self.cloud.folder / "password"), "ca_file": str(self.mailbox.ca_file),
            "sender_name": "Wörkstations", "alerts_to": OPERATOR,
        }  # fmt: skip
        self.config = self.cloud.write_config(mail=mail)
        self.hub = self.enterContext(Hub(options=["--cloud", self.config, "--open-metrics"]))

    def order(self, user="jane", tier="starter"):
        self.cloud.publish(
            {"user_id": user, "org_id": "acme", "tier": tier, "user_email": f"{user}@example.com"}
        )
        runs = "/v1/workflows/runs?type=workstation.provision"
        run = wait_until(lambda: self.hub.get(runs).expect(200), "the message has become a run")[0]
        return self.hub.await_run(run["id"])

    def mails_to(self, address):
        return [message for message in self.mailbox.messages() if message.recipients == [address]]

    def open_alerts(self):
        return {alert["kind"]: alert for alert in self.hub.get("/v1/alerts").expect(200)}

    def metric(self, series):
        found = re.search(rf"(?m)^{re.escape(series)} (\S+)$", self.hub.get("/metrics").text)
        return float(found[1]) if found else None

    def test_who_has_ordered_gets_a_mail_with_a_link_to_the_workstation(self):  # WP-8, WP-17
        run = self.order(tier="professional")
        self.assertEqual(run["status"], "completed", run)
        [mail] = self.mails_to("jane@example.com")
        [machine] = self.cloud.machines()
        self.assertEqual(mail.defects(), [])
        self.assertEqual(mail.sender, "noreply@coditect.ai")
        self.assertEqual(str(mail.parsed["From"]), "Wörkstations <noreply@coditect.ai>")
        self.assertIn(run["id"], mail.parsed["Message-ID"])
        for part in (mail.text, mail.html):
            for fact in ("professional", "32 GB", "100 GB", "e2-highmem-4", "Launch Workstation", machine["host"]):
                self.assertIn(fact, part)
        self.assertRegex(mail.html, rf'<a href="https://{re.escape(machine["host"])}[^"]*"[^>]*>Launch Workstation</a>')
        self.assertEqual(self.open_alerts(), {})
        self.assertEqual(self.metric('workstation_provisioning_success_total{tier="professional"}'), 1)
        self.assertEqual(self.metric('workstation_provisioning_duration_seconds_count{tier="professional"}'), 1)
        self.assertEqual(self.metric('workstation_provisioning_success_total{tier="starter"}'), 0)

    def test_a_greylisted_mail_is_sent_again_and_arrives_once(self):  # WP-15
        self.mailbox.fail_next(451)
        self.mailbox.fail_next(421, at="connect")
        self.assertEqual(self.order()["status"], "completed")
        self.assertEqual(len(self.mails_to("jane@example.com")), 1)
        self.assertEqual(self.open_alerts(), {})

    def test_a_refused_mail_is_an_alert_and_the_workstation_stays_ready(self):  # WP-15
        self.mailbox.fail_next(550)
        run = self.order()
        self.assertEqual(run["status"], "completed", run)
        steps = {step["name"]: step for step in run["steps"]}
        self.assertEqual(steps["send-email"]["status"], "failed")
        self.assertEqual(steps["send-email"]["error"]["code"], "MAIL_REFUSED")
        self.assertEqual(steps["publish-event"]["status"], "completed")
        alert = self.open_alerts()["mail.failed"]
        self.assertEqual((alert["state"], alert["runId"]), ("open", run["id"]))
        self.assertEqual(self.metric('workstation_provisioning_success_total{tier="starter"}'), 1)
        # And who is on call is told of it, by mail and in the log.
        [told] = wait_until(lambda: self.mails_to(OPERATOR), "the operator gets a mail")
        self.assertIn("mail.failed", str(told.parsed["Subject"]))
        self.assertIn(alert["id"], told.text)
        self.assertEqual(told.defects(), [])
        wait_until(lambda: f"an alert was raised alert={alert['id']}" in self.hub.log(), "the log has it")
        gauge = 'slipway_alerts_open{kind="mail.failed",severity="warning"}'
        wait_until(lambda: self.metric(gauge) == 1, "the gauge counts it")

    def test_a_failure_is_counted_by_tier_and_code(self):  # WP-11: no permission is no quota; WP-17
        self.cloud.faults({"kind": "permission", "call": "workstations.create", "times": 1})
        run = self.order(tier="business")
        self.assertEqual(run["status"], "failed", run)
        series = 'workstation_provisioning_failure_total{error_code="PERMISSION_DENIED",tier="business"}'
        # The end is counted once it is durable: a moment after it can be read.
        wait_until(lambda: self.metric(series) == 1, f"the failure is counted: {run.get('error')}")
        self.assertEqual(self.metric('workstation_provisioning_success_total{tier="business"}'), 0)
        self.assertIn("workstation.failed", self.open_alerts())
        self.assertEqual(self.mails_to("jane@example.com"), [])

    def test_the_settings_can_be_tried_without_a_hub(self):
        sent = self.hub.command("mail", "test", "--cloud", self.config, "--to", "me@example.com")
        self.assertEqual(sent.returncode, 0, sent.stderr)
        self.assertEqual(len(self.mails_to("me@example.com")), 1)
        self.mailbox.fail_next(550)
        refused = self.hub.command("mail", "test", "--cloud", self.config, "--to", "me@example.com")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("refuses the recipient", refused.stderr)


if __name__ == "__main__":
    unittest.main()
