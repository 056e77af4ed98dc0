"""Schedules against a real hub: by HTTP, by the command line, over restarts and kills."""

import datetime
import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import SLIPWAY, Hub, wait_until  # noqa: E402

TYPE = "hub.forget-old"  # of the hub's own workflows the one that people may schedule


def seconds(time):
    return datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


class SchedulesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = cls.enterClassContext(Hub())

    def create(self, name, cron="0 4 * * *", **fields):
        return self.hub.post("/v1/schedules", {"name": name, "type": TYPE, "cron": cron, **fields}).expect(201)

    def show(self, name):
        return self.hub.get(f"/v1/schedules/{name}").expect(200)

    def await_starts(self, name, count):
        return wait_until(lambda: (s := self.show(name))["started"] >= count and s, f"{name} has started {count} times")

    def runs_of(self, schedule):
        return self.hub.get(f"/v1/workflows/runs?limit=200&resourceId={schedule['id']}").expect(200)

    def check_every_second_once(self, name):
        schedule = self.show(name)
        times = [seconds(outcome["calendarAt"]) for outcome in reversed(schedule["lastOutcomes"])]
        self.assertEqual(times, [times[0] + i for i in range(len(times))], "a time is missing or came twice")
        self.assertEqual({outcome["kind"] for outcome in schedule["lastOutcomes"]}, {"started"})
        self.assertEqual(schedule["missed"], 0)

    def test_a_schedule_starts_its_runs_and_says_what_came_of_each_time(self):
        made = self.create("often", "every 1s", overlap="allow")
        self.assertEqual(made["status"], "active")
        schedule = self.await_starts("often", 3)
        self.check_every_second_once("often")
        runs = self.runs_of(schedule)
        self.assertTrue({outcome["runId"] for outcome in schedule["lastOutcomes"]} <= {run["id"] for run in runs})
        for run in runs:
            self.assertEqual((run["type"], run["triggeredBy"]), (TYPE, schedule["id"]))
            self.assertEqual(self.hub.await_run(run["id"])["status"], "completed")
        self.assertRegex(self.hub.get("/metrics").text, r"(?m)^slipway_schedule_starts_total [1-9]")
        self.hub.delete("/v1/schedules/often").expect(200)
        self.hub.get("/v1/schedules/often").expect_error(404, "NOT_FOUND")

    def test_whatever_is_killed_every_time_is_started_once(self):
        with Hub() as hub:
            self.hub, shared = hub, self.hub
            try:
                self.create("steady", "every 1s", overlap="allow")
                for count in (3, 6, 9):
                    self.await_starts("steady", count)
                    hub.kill()
                    hub.start()
                schedule = self.await_starts("steady", 12)
                self.check_every_second_once("steady")
                hub.post("/v1/schedules/steady/pause").expect(200)
                schedule = self.show("steady")
                runs = self.runs_of(schedule)
                self.assertEqual(len(runs), schedule["started"])
                for run in runs:
                    hub.await_completed(run["id"])
            finally:
                self.hub = shared

    def test_what_a_schedule_shows(self):
        made = self.create("nightly", "30 4 * * MON-FRI", timeZone="Europe/Berlin", jitterMs=60_000, overlap="buffer_one",
                           catchUpMs=7_200_000, endsAt="2099-01-01T00:00:00Z", remaining=4)  # fmt: skip
        schedule = self.show(made["id"])
        self.assertEqual(schedule, self.show("nightly"))
        self.assertRegex(schedule["id"], "^sch_[0-9A-Z]{26}$")
        self.assertEqual((schedule["timeZone"], schedule["jitterMs"], schedule["overlap"], schedule["catchUpMs"]),
                         ("Europe/Berlin", 60_000, "buffer_one", 7_200_000))  # fmt: skip
        self.assertEqual(len(schedule["nextTimes"]), 4)  # as many as remain
        self.assertEqual(schedule["nextTimes"][0], schedule["nextAt"])
        listed = self.hub.get("/v1/schedules?name=nightly")
        self.assertEqual([s["id"] for s in listed.expect(200)], [made["id"]])
        self.assertEqual(listed.json["meta"]["pagination"]["total"], 1)
        first = self.hub.get("/v1/schedules?limit=1")
        second = self.hub.get("/v1/schedules?limit=1&cursor=" + first.json["meta"]["pagination"]["nextCursor"])
        self.assertLess(first.expect(200)[0]["name"], second.expect(200)[0]["name"])

    def test_wrong_requests_are_told_what_is_wrong(self):
        def refused(**body):
            return self.hub.post("/v1/schedules", body).expect_error(400, "VALIDATION_ERROR")

        fine = {"name": "fine", "type": TYPE, "cron": "@daily"}
        self.assertEqual(refused(**{**fine, "cron": "0 25 * * *"})["message"],
                         "cron: field 2 (hour): '25' is not within 0 to 23")
        self.assertEqual(refused(**{**fine, "timeZone": "Mars/Base"})["details"]["field"], "timeZone")
        self.assertEqual(refused(**{**fine, "type": "workspace.create"})["details"]["allowed"], [TYPE])
        self.assertEqual(refused(**{**fine, "input": {"a": 1}})["details"]["field"], "input/a")
        self.assertEqual(refused(**{**fine, "name": "hub.mine"})["details"]["field"], "name")
        self.assertEqual(refused(**{**fine, "color": "red"})["details"]["field"], "color")
        self.assertEqual(refused(name="fine", type=TYPE)["message"], "cron: is required")
        self.assertEqual(refused(**fine, endsAt="2001-01-01T00:00:00Z")["details"]["field"], "cron")
        self.create("taken")
        self.hub.post("/v1/schedules", {**fine, "name": "taken"}).expect_error(409, "CONFLICT")
        self.hub.get("/v1/schedules/nobody").expect_error(404, "NOT_FOUND")

    def test_only_admins_may(self):
        key = self.hub.post("/v1/api-keys", {"name": "member"}).expect(201)["key"]
        self.hub.get("/v1/schedules", key=key).expect_error(403, "FORBIDDEN")
        self.hub.post("/v1/schedules/hub.forget-old/trigger", key=key).expect_error(403, "FORBIDDEN")

    def test_a_repeated_request_is_done_once(self):
        headers = {"Idempotency-Key": "make-it-once"}
        body = {"name": "once", "type": TYPE, "cron": "@daily"}
        first = self.hub.post("/v1/schedules", body, headers=headers)
        again = self.hub.post("/v1/schedules", body, headers=headers)
        self.assertEqual(first.expect(201)["id"], again.expect(201)["id"])
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")
        run = [self.hub.post("/v1/schedules/once/trigger", headers={"Idempotency-Key": "go"}).expect(202)["run"]["id"]
               for _ in range(2)]  # fmt: skip
        self.assertEqual(run[0], run[1])
        self.assertEqual(self.show("once")["started"], 1)

    def test_a_change_takes_what_it_names_and_a_stale_one_is_refused(self):
        self.create("changing", endsAt="2099-01-01T00:00:00Z")
        etag = self.hub.get("/v1/schedules/changing").headers["ETag"]
        patched = self.hub.request("PATCH", "/v1/schedules/changing", {"cron": "0 5 * * *", "endsAt": None},
                                   headers={"If-Match": etag}).expect(200)  # fmt: skip
        self.assertEqual(patched["cron"], "0 5 * * *")
        self.assertNotIn("endsAt", patched)
        self.assertIn("T05:00:00", patched["nextAt"])
        self.hub.request("PATCH", "/v1/schedules/changing", {"cron": "0 6 * * *"}, headers={"If-Match": etag}
                         ).expect_error(412, "PRECONDITION_FAILED")  # fmt: skip
        self.hub.request("PATCH", "/v1/schedules/changing", {"cron": "nonsense"}).expect_error(400, "VALIDATION_ERROR")
        audited = [entry["action"] for entry in self.hub.get("/v1/audit").expect(200)]
        self.assertIn("schedule.change", audited)
        self.assertIn("schedule.create", audited)

    def test_paused_it_rests_and_a_start_by_hand_is_still_possible(self):
        self.create("resting", "every 1s", overlap="allow")
        paused = self.hub.post("/v1/schedules/resting/pause", {"reason": "moving house"}).expect(200)
        self.assertEqual((paused["status"], paused["pause"]["reason"]), ("paused", "moving house"))
        self.assertNotIn("nextAt", paused)
        before = self.show("resting")["started"]
        self.hub.post("/v1/schedules/resting/pause").expect_error(409, "INVALID_STATE_TRANSITION")
        accepted = self.hub.post("/v1/schedules/resting/trigger", headers={"Prefer": "wait=20"}).expect(202)
        self.assertEqual(accepted["run"]["status"], "completed")
        shown = self.show("resting")
        self.assertEqual(shown["started"], before + 1)
        self.assertEqual(shown["lastOutcomes"][0]["kind"], "triggered")
        resumed = self.hub.post("/v1/schedules/resting/resume").expect(200)
        self.assertEqual(resumed["status"], "active")
        self.await_starts("resting", before + 2)
        self.hub.delete("/v1/schedules/resting").expect(200)

    def test_a_past_range_can_be_made_up_for_once(self):
        self.create("past", "0 * * * *")
        range_ = {"from": "2026-01-01T00:00:00Z", "until": "2026-01-01T03:00:00Z"}
        made = self.hub.post("/v1/schedules/past/backfill", range_).expect(202)
        self.assertEqual(len(made["runs"]), 4)
        for run in made["runs"]:
            self.hub.await_completed(run)
        self.assertEqual(self.hub.post("/v1/schedules/past/backfill", range_).expect(202)["runs"], [])
        self.hub.post("/v1/schedules/past/backfill", {**range_, "until": "2026-02-01T00:00:00Z"}
                      ).expect_error(400, "VALIDATION_ERROR")  # fmt: skip

    def test_the_hubs_own_schedule_can_be_paused_for_good_but_not_taken_away(self):
        with Hub() as hub:
            wait_until(lambda: hub.get(f"/v1/schedules/{TYPE}").status == 200, "the hub has declared its schedule")
            own = hub.get(f"/v1/schedules/{TYPE}").expect(200)
            self.assertTrue(own["declared"])
            hub.delete(f"/v1/schedules/{TYPE}").expect_error(409, "INVALID_STATE_TRANSITION")
            hub.request("PATCH", f"/v1/schedules/{TYPE}", {"cron": "@daily"}).expect(409)
            hub.post(f"/v1/schedules/{TYPE}/pause", {"reason": "not now"}).expect(200)
            hub.restart()
            self.assertEqual(hub.get(f"/v1/schedules/{TYPE}").expect(200)["pause"]["reason"], "not now")


class ScheduleCommandsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = cls.enterClassContext(Hub())

    def ok(self, *words):
        done = self.hub.command("schedules", *words)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout!r} {done.stderr!r}")
        return done.stdout

    def test_the_life_of_a_schedule(self):
        created = self.ok("create", "tidy", "--type", TYPE, "--cron", "30 4 * * MON-FRI", "--time-zone", "Europe/Berlin",
                          "--jitter", "30s", "--overlap", "buffer_one", "--catch-up", "2h", "--input", "{}",
                          "--count", "3")  # fmt: skip
        self.assertIn("30 4 * * MON-FRI Europe/Berlin", created)
        self.assertEqual(created.count("next "), 3)
        self.assertRegex(self.ok("list"), rf"tidy +{TYPE} +active +30 4")
        shown = json.loads(self.ok("show", "tidy", "-o", "json"))
        self.assertEqual((shown["jitterMs"], shown["catchUpMs"], shown["remaining"]), (30_000, 7_200_000, 3))
        self.ok("pause", "tidy", "--reason", "on holiday")
        self.assertRegex(self.ok("show", "tidy"), r"Paused .* by usr_\w+: on holiday")
        self.assertIn("completed", self.ok("trigger", "tidy"))
        self.assertIn("triggered: run_", self.ok("show", "tidy"))
        self.assertIn("next at", self.ok("resume", "tidy"))
        self.assertEqual(json.loads(self.ok("trigger", "tidy", "-o", "json"))["run"]["status"], "completed")
        self.ok("delete", "tidy")
        self.assertEqual(self.hub.command("schedules", "show", "tidy").returncode, 3)

    def test_mistakes(self):
        wrong = self.hub.command("schedules", "create", "x", "--type", TYPE, "--cron", "61 * * * *")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("field 1 (minute): '61' is not within 0 to 59", wrong.stderr)
        self.assertEqual(self.hub.command("schedules", "create", "x").returncode, 2)
        wrong = self.hub.command("schedules", "create", "x", "--type", TYPE, "--cron", "@daily", "--jitter", "soon")
        self.assertEqual((wrong.returncode, "--jitter" in wrong.stderr), (2, True))

    def test_completion_knows_schedules(self):
        self.ok("create", "complete-me", "--type", TYPE, "--cron", "@daily")
        self.assertEqual(self.complete("schedules", "pause", "comp"), ["complete-me"])
        self.assertEqual(self.complete("schedules", "create", "--overlap", ""),
                         ["allow", "buffer_one", "cancel_running", "skip"])

    def complete(self, *words):
        words = [SLIPWAY, "__complete", "--words", "--data", self.hub.data, *words]
        return subprocess.run(words, text=True, capture_output=True, check=True).stdout.split()


if __name__ == "__main__":
    unittest.main()
