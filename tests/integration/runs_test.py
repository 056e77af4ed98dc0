"""Runs in the API against a real hub: lists and their cursors, cancel, retry, the past, parents and children."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub  # noqa: E402

RUNS = "/v1/workflows/runs"


class RunsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub().__enter__()
        cls.addClassCleanup(cls.hub.__exit__, None, None, None)
        cls.hub.put("/v1/queues/workspaces", {}).expect(200)
        for name in ("one", "two", "three"):
            cls.hub.create_workspace(name)
        cls.member = cls.hub.post("/v1/api-keys", {"name": "other", "role": "member"}).expect(201)["key"]

    def pause(self, paused):
        self.hub.patch("/v1/queues/workspaces", {"paused": paused}).expect(200)

    def held_back(self, name):
        """A workspace's run that cannot begin: it waits in a queue that is paused."""
        self.pause(True)
        self.addCleanup(self.pause, False)
        data = self.hub.post("/v1/workspaces", {"name": name}).expect(202)
        self.assertEqual(data["run"]["status"], "pending")
        return data["run"]["id"], data["workspace"]["id"]

    def cancelled(self, name):
        run, workspace = self.held_back(name)
        answer = self.hub.post(f"{RUNS}/{run}/cancel", headers={"Prefer": "wait=30"})
        self.assertEqual(answer.expect(202)["run"]["status"], "cancelled")
        return run, workspace

    # WF-1, WF-7
    def test_a_list_is_paged_by_cursor_and_by_link_in_either_order(self):
        for sort in ("-startedAt", "startedAt"):
            seen, target = [], f"{RUNS}?type=workspace.create,workspace.delete&sort={sort}&limit=2"
            while target:
                answer = self.hub.get(target)
                seen += [run["startedAt"] for run in answer.expect(200)]
                link = answer.headers.get("Link")
                self.assertEqual(link is not None, answer.json["meta"]["pagination"]["hasMore"])
                target = link and link[1 : link.index(">")]
            self.assertGreaterEqual(len(seen), 3)
            self.assertEqual(seen, sorted(seen, reverse=sort == "-startedAt"))

    # WF-1
    def test_a_cursor_of_other_filters_and_one_that_is_none_are_refused(self):
        cursor = self.hub.get(f"{RUNS}?limit=1").json["meta"]["pagination"]["nextCursor"]
        self.hub.get(f"{RUNS}?limit=2&cursor={cursor}").expect(200)
        for query in (f"status=completed&cursor={cursor}", f"sort=startedAt&cursor={cursor}", "cursor=made-up"):
            error = self.hub.get(f"{RUNS}?{query}").expect_error(400, "VALIDATION_ERROR")
            self.assertEqual(error["details"]["field"], "cursor")

    # WF-1: validation names the field
    def test_a_filter_that_is_wrong_is_named(self):
        for query, field in (
            ("status=done", "status"),
            ("since=yesterday", "since"),
            ("sort=name", "sort"),
            ("needsAttention=maybe", "needsAttention"),
            ("page=5000&limit=200", "page"),
            ("colour=blue", "colour"),
        ):
            error = self.hub.get(f"{RUNS}?{query}").expect_error(400, "VALIDATION_ERROR")
            self.assertTrue(error["details"]["field"].startswith(field), error)

    # WF-1: ISO dates, on the start
    def test_dates_bound_the_start(self):
        self.assertEqual(self.hub.get(f"{RUNS}?until=2025-01-12").expect(200), [])
        answer = self.hub.get(f"{RUNS}?since=2025-01-12&status=completed&resourceType=workspace")
        self.assertGreaterEqual(len(answer.expect(200)), 3)
        self.assertEqual(answer.json["meta"]["pagination"]["total"], len(answer.data))

    # WF-42
    def test_a_run_that_is_as_it_was_is_not_sent_again(self):
        run = self.hub.get(f"{RUNS}?type=workspace.create&status=completed").expect(200)[0]["id"]
        first = self.hub.get(f"{RUNS}/{run}")
        again = self.hub.get(f"{RUNS}/{run}", headers={"If-None-Match": first.headers["ETag"]})
        self.assertEqual((again.status, again.headers["ETag"]), (304, first.headers["ETag"]))

    # WF-14
    def test_the_state_after_any_event_is_the_fold_up_to_it(self):
        run = self.hub.get(f"{RUNS}?type=workspace.create&status=completed").expect(200)[0]["id"]
        events = self.hub.get(f"{RUNS}/{run}/events?limit=200").expect(200)
        done, status = set(), "pending"  # it stood in a queue
        for event in events:
            state = self.hub.get(f"{RUNS}/{run}/state?at={event['seq']}").expect(200)
            if event["type"] == "step_completed":
                done.add(event["step"])
            status = {"run_admitted": "running", "run_completed": "completed"}.get(event["type"], status)
            self.assertEqual({s["name"] for s in state["steps"] if s["status"] == "completed"}, done)
            self.assertEqual((state["at"], state["lastSeq"]), (event["seq"], len(events)))
            self.assertEqual(state["status"], status)
        now = self.hub.get(f"{RUNS}/{run}/state").expect(200)
        self.assertEqual(now.pop("at"), len(events))
        self.assertEqual(now, self.hub.get(f"{RUNS}/{run}").expect(200))
        for at in (0, len(events) + 1):
            error = self.hub.get(f"{RUNS}/{run}/state?at={at}").expect_error(400, "VALIDATION_ERROR")
            self.assertEqual(error["details"]["field"], "at")

    # WF-6
    def test_the_journal_is_filtered_by_type_and_place(self):
        run = self.hub.get(f"{RUNS}?type=workspace.create&status=completed").expect(200)[0]["id"]
        events = self.hub.get(f"{RUNS}/{run}/events?limit=200").expect(200)
        ends = self.hub.get(f"{RUNS}/{run}/events?type=step_completed,run_completed&limit=200").expect(200)
        self.assertEqual(ends, [e for e in events if e["type"] in ("step_completed", "run_completed")])
        self.assertEqual(self.hub.get(f"{RUNS}/{run}/events?after=3&limit=200").expect(200), events[3:])
        self.hub.get(f"{RUNS}/{run}/events?type=nothing").expect_error(400, "VALIDATION_ERROR")

    # WF-3, WF-42
    def test_a_cancel_says_what_it_expects_and_is_refused_when_that_is_over(self):
        run, _ = self.held_back("expected")
        etag = self.hub.get(f"{RUNS}/{run}").headers["ETag"]
        path = f"{RUNS}/{run}/cancel"
        self.hub.post(path, {"expectedStatus": "running"}).expect_error(412, "PRECONDITION_FAILED")
        self.hub.post(path, headers={"If-Match": '"1-running-x"'}).expect_error(412, "PRECONDITION_FAILED")
        self.assertEqual(self.hub.get(f"{RUNS}/{run}").expect(200)["status"], "pending")
        self.hub.post(path, {"expectedStatus": "pending"}, headers={"If-Match": etag}).expect(202)
        self.assertEqual(self.hub.await_run(run)["status"], "cancelled")
        error = self.hub.post(path).expect_error(409, "INVALID_STATE_TRANSITION")
        self.assertEqual(error["details"]["status"], "cancelled")

    # WF-4
    def test_a_cancelled_creation_is_done_again_by_a_run_linked_to_it(self):
        old, workspace = self.cancelled("again")
        before = self.hub.get(f"{RUNS}/{old}/events").expect(200)
        answer = self.hub.post(f"{RUNS}/{old}/retry", {"fromStep": "create-machine", "expectedStatus": "cancelled"})
        data = answer.expect(202)
        new = data["run"]["id"]
        self.assertEqual((data["retryOf"], data["startsAt"], data["takenOver"]), (old, "validate", []))
        self.assertEqual(answer.headers["Location"], f"{RUNS}/{new}")
        record = self.hub.get(f"/v1/workspaces/{workspace}").expect(200)
        self.assertEqual((record["status"], record["run_id"]), ("PROVISIONING", new))
        self.assertEqual(self.hub.get(f"{RUNS}/{old}").expect(200)["retriedBy"], new)
        # One at a time, while it waits in the queue as the first did.
        error = self.hub.post(f"{RUNS}/{old}/retry").expect_error(409, "CONFLICT")
        self.assertEqual(error["details"]["run"], new)
        self.pause(False)
        self.hub.await_completed(new)
        self.assertEqual(self.hub.get(f"/v1/workspaces/{workspace}").expect(200)["status"], "READY")
        self.assertEqual(self.hub.get(f"{RUNS}/{new}").expect(200)["retryOf"], old)
        self.assertEqual([r["id"] for r in self.hub.get(f"{RUNS}?retryOf={old}").expect(200)], [new])
        self.assertEqual(self.hub.get(f"{RUNS}/{old}/events").expect(200), before)
        # The workspace is there by now.
        self.hub.post(f"{RUNS}/{old}/retry").expect_error(409, "INVALID_STATE_TRANSITION")
        actions = [entry["action"] for entry in self.hub.get("/v1/audit?limit=200").expect(200)]
        self.assertIn("run.retry", actions)
        self.assertIn("run.cancel", actions)

    # WF-4, WF-41
    def test_a_retry_is_refused_where_it_makes_no_sense_and_made_once_under_a_key(self):
        completed = self.hub.get(f"{RUNS}?type=workspace.create&status=completed").expect(200)[0]["id"]
        self.hub.post(f"{RUNS}/{completed}/retry").expect_error(409, "INVALID_STATE_TRANSITION")
        old, _ = self.cancelled("refused")
        error = self.hub.post(f"{RUNS}/{old}/retry", {"fromStep": "nothing"}).expect_error(400, "VALIDATION_ERROR")
        self.assertEqual(error["details"]["field"], "fromStep")
        self.assertIn("create-machine", error["details"]["allowed"])
        self.hub.post(f"{RUNS}/{old}/retry", {"expectedStatus": "failed"}).expect_error(412, "PRECONDITION_FAILED")
        self.hub.post(f"{RUNS}/{old}/retry", key=self.member).expect_error(404, "NOT_FOUND")
        headers = {"Idempotency-Key": "retry-once"}
        first = self.hub.post(f"{RUNS}/{old}/retry", {}, headers=headers).expect(202)
        again = self.hub.post(f"{RUNS}/{old}/retry", {}, headers=headers)
        self.assertEqual(again.expect(202)["run"]["id"], first["run"]["id"])
        self.pause(False)
        self.hub.await_completed(first["run"]["id"])

    def test_others_see_neither_a_run_nor_its_parts(self):
        run = self.hub.get(f"{RUNS}?status=completed").expect(200)[0]["id"]
        for part in ("", "/events", "/state", "/children"):
            self.hub.get(f"{RUNS}/{run}{part}", key=self.member).expect_error(404, "NOT_FOUND")
        self.assertEqual(self.hub.get(RUNS, key=self.member).expect(200), [])
        self.assertEqual(self.hub.get(f"{RUNS}/{run}/children").expect(200), [])

    # The command line, end to end
    def test_the_command_line_shows_and_retries(self):
        old, _ = self.cancelled("typed")
        shown = self.hub.command("runs", "show", old)
        shown.check_returncode()
        self.assertIn("cancelled", shown.stdout)
        self.pause(False)
        done = self.hub.command("runs", "retry", old, "--wait")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("does it again from validate on", done.stdout)
        self.assertIn("workspace.create completed", done.stdout)


if __name__ == "__main__":
    unittest.main()
