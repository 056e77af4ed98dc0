"""The audit log (WP-19) from outside: what it says, who may ask, and how it shows what was done to it. Exports are verified
by the program that docs/audit.md shows."""

import concurrent.futures
import contextlib
import json
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402
from support.postgres import Postgres  # noqa: E402

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/audit.md"


def verify_as_documented(text):
    """What the guide's program says to an export; throws when it refuses it."""
    program = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)[1]
    done = subprocess.run([sys.executable, "-c", program], input=text.encode(), capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr.decode())
    return done.stdout.decode()


def put_queue(hub, name):
    hub.put(f"/v1/queues/{name}", {"concurrency": 1}).expect(200)


def member_key(hub):
    return hub.post("/v1/api-keys", {"name": "somebody"}).expect(201)


def export(hub, query=""):
    answer = hub.get("/v1/audit/export" + query)
    assert answer.status == 200, answer.text
    return answer.text


class AuditTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = cls.enterClassContext(Hub())

    def test_wp19_says_who_did_what_when_from_where_and_what_came_of_it(self):
        put_queue(self.hub, "audited")
        (entry,) = self.hub.get("/v1/audit?resourceId=audited&action=queue.").expect(200)
        me = self.hub.get("/v1/me").expect(200)
        self.assertEqual(entry["actor_id"], me["user_id"])
        self.assertEqual(entry["action"], "queue.put")
        self.assertEqual(entry["outcome"], "success")
        self.assertTrue(entry["remote"].startswith("127.0.0.1:"))
        self.assertTrue(entry["request_id"])
        self.assertEqual(self.hub.get(f"/v1/audit/{entry['seq']}").expect(200), entry)
        self.assertEqual(self.hub.get("/v1/audit?resourceId=audited&until=2020-01-01").expect(200), [])
        self.hub.get("/v1/audit/999999").expect_error(404, "NOT_FOUND")
        self.hub.get("/v1/audit?outcome=maybe").expect_error(400, "VALIDATION_ERROR")

    def test_wp19_what_a_caller_was_refused_is_there_too_and_bounded(self):
        somebody = member_key(self.hub)
        began = time.monotonic()
        for _ in range(30):
            self.hub.get("/v1/audit", key=somebody["key"]).expect_error(403, "FORBIDDEN")
        took_s = time.monotonic() - began

        def denied():
            return self.hub.get(f"/v1/audit?actor={somebody['user_id']}&outcome=denied&limit=100").expect(200)

        def skipped():
            counted = re.search(r"^slipway_audit_denied_skipped_total (\d+)", self.hub.get("/metrics").text, re.MULTILINE)
            return int(counted[1]) if counted else 0

        wait_until(lambda: len(denied()) + skipped() == 30, "each is written or counted")
        self.assertGreaterEqual(len(denied()), 20)
        self.assertLessEqual(len(denied()), 20 + took_s / 3)  # 20 in a minute: another one every 3 s
        self.assertEqual(denied()[0]["action"], "GET /v1/audit")
        self.assertEqual(denied()[0]["details"]["key"], somebody["id"])

    def test_wp19_an_export_is_verified_by_the_guides_own_program(self):
        for i in range(20):
            put_queue(self.hub, f"exported-{i}")
        text = export(self.hub)
        self.assertIn("intact", verify_as_documented(text))
        lines = text.splitlines(keepends=True)
        self.assertIn("intact", verify_as_documented("".join(lines[3:])))
        with self.assertRaisesRegex(AssertionError, "does not follow"):
            verify_as_documented("".join(lines[:5] + lines[6:]))
        with self.assertRaisesRegex(AssertionError, "was changed"):
            verify_as_documented(text.replace("queue.put", "queue.get", 1))
        since = json.loads(lines[-3])["at"]
        self.assertLessEqual(len(export(self.hub, f"?since={since}").splitlines()), len(lines))
        self.assertEqual(export(self.hub, "?until=2020-01-01"), "")

    def test_wp19_the_command_line_verifies_the_hubs_log_and_a_file(self):
        put_queue(self.hub, "by-command")
        verified = json.loads(self.hub.command("audit", "verify", "--output", "json").stdout)
        self.assertTrue(verified["intact"] and verified["sealFits"])
        seq = int(verified["head"].split(":")[0])
        self.assertEqual(self.hub.command("audit", "verify", "--expect-head", verified["head"]).returncode, 0)
        wrong = f"{seq}:{'a' * 64}"
        self.assertEqual(self.hub.command("audit", "verify", "--expect-head", wrong).returncode, 1)
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.write(self.hub.command("audit", "export").stdout)
            file.flush()
            said = self.hub.command("audit", "verify", file.name, "--expect-head", verified["head"]).stdout
        self.assertIn("Intact", said)
        self.assertIn("queue.put", self.hub.command("audit", "list", "--resource", "by-command").stdout)
        self.assertIn("by-command", self.hub.command("audit", "show", str(seq)).stdout)


class TamperedTest(unittest.TestCase):
    def test_wp19_a_changed_database_is_found_out_after_a_restart(self):
        with Hub() as hub:
            put_queue(hub, "before")
            head = hub.get("/v1/audit/verify").expect(200)["head"]
            hub.stop()
            with sqlite3.connect(hub.data / "slipway.db") as database:
                with self.assertRaisesRegex(sqlite3.Error, "append-only"):
                    database.execute("UPDATE audit_log SET actor_id = 'usr_innocent'")
                database.execute("DROP TRIGGER audit_log_is_not_changed")
                database.execute("UPDATE audit_log SET actor_id = 'usr_innocent' WHERE action = 'queue.put'")
            database.close()
            hub.start()
            report = hub.get("/v1/audit/verify").expect(200)
            self.assertFalse(report["intact"])
            self.assertEqual(report["fault"]["seq"], int(head.split(":")[0]))
            self.assertIn("NOT INTACT", hub.command("audit", "verify").stdout)
            with self.assertRaisesRegex(AssertionError, "was changed"):
                verify_as_documented(export(hub))

    def test_wp19_a_hub_that_is_killed_midway_leaves_an_unbroken_chain(self):
        with Hub() as hub:
            acknowledged = []

            def put(i):
                with contextlib.suppress(AssertionError, OSError):
                    put_queue(hub, f"q-{i}")
                    acknowledged.append(f"q-{i}")

            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                for i in range(200):
                    pool.submit(put, i)
                wait_until(lambda: len(acknowledged) > 30, "some queues are put")
                hub.kill()
            hub.start()
            report = hub.get("/v1/audit/verify").expect(200)
            self.assertTrue(report["intact"] and report["complete"], report)
            audited = {json.loads(line)["resource_id"] for line in export(hub).splitlines()}
            self.assertLessEqual(set(acknowledged), audited)

    def test_wp19_another_key_does_not_seal(self):
        with Hub() as hub:
            hub.stop()
            key = hub.data / "seal.key"
            key.unlink()
            hub.start()
            put_queue(hub, "under-another-key")
            report = hub.get("/v1/audit/verify").expect(200)
            self.assertFalse(report["sealFits"] or report["intact"])
            self.assertNotIn("fault", report)
            self.assertIn("audit verify", hub.log())


class ReplicasTest(unittest.TestCase):
    def test_wp19_two_replicas_one_killed_midway_leave_one_unbroken_chain(self):
        postgres = Postgres()
        self.addCleanup(postgres.close)
        first = self.enterContext(Hub(options=("--database", postgres.url)))
        second = self.enterContext(Hub(options=("--database", postgres.url), started=False))
        second.data.mkdir(mode=0o700)
        shutil.copy(first.data / "seal.key", second.data)
        second.start()

        def put(i):
            hub = (first, second)[i % 2]
            try:
                put_queue(hub, f"q-{i}")
            except (AssertionError, OSError):
                if hub is first:  # the second is killed
                    raise

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = [pool.submit(put, i) for i in range(200)]
            done[40].result()
            second.kill()
            for each in done:
                each.result()
        report = first.get("/v1/audit/verify").expect(200)
        self.assertTrue(report["intact"] and report["complete"], report)
        text = export(first)
        self.assertIn("intact", verify_as_documented(text))
        put_by_first = {f"q-{i}" for i in range(0, 200, 2)}
        self.assertLessEqual(put_by_first, {json.loads(line)["resource_id"] for line in text.splitlines()})


if __name__ == "__main__":
    unittest.main()
