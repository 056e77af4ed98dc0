"""Runs in numbers against a real hub: equal to what its runs say, one by one (WF-5, WF-10)."""

import pathlib
import sys
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402

TYPE = "hub.forget-old"


class RunMetricsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = cls.enterClassContext(Hub())
        # No run comes unasked.
        wait_until(lambda: cls.hub.post(f"/v1/schedules/{TYPE}/pause", {}).status == 200, "the hub has declared it")
        cls.hub.post("/v1/schedules", {"name": "often", "type": TYPE, "cron": "every 1s", "overlap": "allow"}).expect(201)
        cls.hub.create_workspace("counted")
        wait_until(lambda: len(cls.ended()) >= 5, "some runs have ended")
        cls.hub.post("/v1/schedules/often/pause", {}).expect(200)
        wait_until(lambda: len(cls.ended()) == len(cls.runs()), "all runs have ended")

    @classmethod
    def runs(cls):
        return cls.hub.get("/v1/workflows/runs?limit=200").expect(200)

    @classmethod
    def ended(cls):
        return [run for run in cls.runs() if run["status"] not in ("pending", "running")]

    def metrics(self, path="", **query):
        return self.hub.get(f"/v1/workflows/metrics{path}?" + urllib.parse.urlencode(query)).expect(200)

    def check(self, found, runs):
        completed = [run for run in runs if run["status"] == "completed"]
        self.assertEqual((found["summary"]["total"], found["summary"]["completed"]), (len(runs), len(completed)))
        self.assertEqual(sum(reason["count"] for reason in found["failureReasons"]), found["summary"]["failed"])
        if completed:
            self.assertEqual(found["timing"]["avgMs"], sum(run["durationMs"] for run in completed) // len(completed))
            self.assertLessEqual(found["timing"]["p50Ms"], found["timing"]["p99Ms"])
        else:
            self.assertNotIn("avgMs", found["timing"])

    def test_the_whole_and_each_type_are_what_the_runs_say(self):
        runs = self.ended()
        everything = self.metrics()
        self.check(everything, runs)
        for each in everything["types"]:
            self.check(each, [run for run in runs if run["type"] == each["type"]])
        self.assertEqual(sorted(each["type"] for each in everything["types"]), sorted({run["type"] for run in runs}))
        one = self.metrics("/workspace.create", owner="me")
        self.assertEqual((one["type"], one["summary"]["total"], one["summary"]["successRate"]), ("workspace.create", 1, 1))

    def test_periods_are_cut_at_the_millisecond_of_the_start(self):
        runs = sorted(self.ended(), key=lambda run: run["startedAt"])
        for run in runs:
            for query in ({"since": run["startedAt"]}, {"until": run["startedAt"]}):
                within = [r for r in runs if ("since" in query) == (r["startedAt"] >= run["startedAt"])]
                self.check(self.metrics(**query), within)
        self.check(self.metrics(since=runs[0]["startedAt"], until=runs[0]["startedAt"]), [])

    def test_what_cannot_be_answered_is_refused_in_words(self):
        error = self.hub.get("/v1/workflows/metrics/no.such").expect_error(404, "NOT_FOUND")
        self.assertIn(TYPE, error["details"]["allowed"])
        self.hub.get("/v1/workflows/metrics?since=yesterday").expect_error(400, "VALIDATION_ERROR")
        self.hub.get("/v1/workflows/metrics?since=2025-01-02&until=2025-01-01").expect_error(400, "VALIDATION_ERROR")
        self.hub.get("/v1/workflows/metrics?owner=you").expect_error(400, "VALIDATION_ERROR")

    def test_the_command_line_shows_a_table(self):
        table = self.hub.command("runs", "metrics", "--since", "1h")
        table.check_returncode()
        self.assertIn("workspace.create", table.stdout)
        one = self.hub.command("runs", "metrics", "workspace.create")
        self.assertRegex(one.stdout, r"Completed +1")

    def test_nothing_changes_when_the_hub_starts_anew(self):
        before = self.metrics(since="2020-01-01")
        self.hub.restart()
        self.assertEqual(self.metrics(since="2020-01-01", until=before["period"]["to"])["types"], before["types"])


if __name__ == "__main__":
    unittest.main()
