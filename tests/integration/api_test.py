"""The HTTP API against a real hub with real sandboxes: what a client of it relies on."""

import http.client
import json
import pathlib
import re
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402

RUN_ID = re.compile(r"run_[0-9A-HJKMNP-TV-Z]{26}")
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Stream:
    """Server-sent events of one request, read on a thread of their own."""

    def __init__(self, hub, path, last_event_id=None):
        headers = {"Authorization": f"Bearer {hub.key}", "Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        self.events = []
        self.ended = threading.Event()
        self._connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
        self._connection.request("GET", path, headers=headers)
        self.response = self._connection.getresponse()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        event = {}
        try:
            for line in self.response:
                line = line.decode().rstrip("\r\n")
                if not line:
                    if "data" in event:
                        self.events.append(event)
                    event = {}
                elif not line.startswith(":"):
                    name, _, value = line.partition(":")
                    event[name] = value.removeprefix(" ")
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass
        self.ended.set()

    def close(self):
        self._connection.close()


class ApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = cls.enterClassContext(Hub()) if hasattr(cls, "enterClassContext") else Hub().__enter__()
        if not hasattr(cls, "enterClassContext"):
            cls.addClassCleanup(cls.hub.__exit__, None, None, None)
        cls.ready = cls.hub.create_workspace(
            "ready", metadata={"repo": "r", "branch": "b", "device_id": "d"}, environment={"COLOUR": "s3cret-blue"}
        )

    def test_a_zone_that_the_provider_does_not_have_is_refused_by_name(self):
        error = self.hub.post("/v1/workspaces", {"name": "afar", "zone": "nowhere"}).expect_error(400, "VALIDATION_ERROR")
        self.assertEqual((error["details"]["field"], error["details"]["allowed"]), ("zone", ["local"]))

    # HUB-2, WF-11, WF-43
    def test_create_answers_202_with_the_run_before_the_work_is_done(self):
        answer = self.hub.post("/v1/workspaces", {"name": "accepted"})
        data = answer.expect(202)
        self.assertRegex(data["run"]["id"], RUN_ID)
        self.assertEqual(data["run"]["status"], "running")
        self.assertEqual(data["workspace"]["status"], "PROVISIONING")
        self.assertEqual(data["workspace"]["run_id"], data["run"]["id"])
        self.assertEqual(answer.headers["Location"], data["statusUrl"])
        self.assertTrue(answer.headers["Retry-After"])
        self.hub.await_completed(data["run"]["id"])

    # WF-8: from the first answer on, every step is listed
    def test_steps_that_have_not_run_are_pending(self):
        data = self.hub.post("/v1/workspaces", {"name": "pending"}).expect(202)
        names = [step["name"] for step in data["run"]["steps"]]
        self.assertEqual(names, ["validate", "issue-agent-token", "create-machine", "wait-until-ready", "finish"])
        self.assertEqual({step["status"] for step in data["run"]["steps"]}, {"pending"})
        run = self.hub.await_completed(data["run"]["id"])
        self.assertEqual({step["status"] for step in run["steps"]}, {"completed"})
        self.assertEqual(run["progress"], 100)

    # HUB-8, WF-40
    def test_a_workspace_has_its_fields(self):
        workspace = self.hub.get("/v1/workspaces/" + self.ready["id"]).expect(200)
        self.assertRegex(workspace["id"], UUID7)
        self.assertTrue(workspace["owner_id"].startswith("usr_"))
        for field in ("instance_name", "zone", "image_tag", "machine_type"):
            self.assertTrue(workspace[field], field)
        self.assertEqual(workspace["status"], "READY")
        self.assertEqual(workspace["metadata"], {"repo": "r", "branch": "b", "device_id": "d"})

    # HUB-1: the two spellings are one
    def test_both_spellings_of_the_route_work(self):
        ids = [{w["id"] for w in self.hub.get(p).expect(200)} for p in ("/workspaces", "/v1/workspaces")]
        self.assertEqual(ids[0], ids[1])

    # HUB-6
    def test_status_shows_store_and_backend_side_by_side(self):
        status = self.hub.get(f"/v1/workspaces/{self.ready['id']}/status").expect(200)
        self.assertEqual((status["status"], status["backend"]["state"]), ("READY", "running"))
        self.assertTrue(status["agent"]["connected"] and status["agrees"])
        for limit in ("memory", "cpu", "processes"):
            self.assertIn(limit, status["backend"]["limits"])

    # WF-7
    def test_every_answer_has_the_envelope(self):
        answer = self.hub.get("/v1/workspaces", headers={"X-Request-Id": "mine-1"})
        meta = answer.json["meta"]
        self.assertTrue(answer.json["success"])
        self.assertEqual((meta["requestId"], answer.headers["X-Request-Id"]), ("mine-1", "mine-1"))
        self.assertRegex(meta["timestamp"], RFC3339)
        self.assertLessEqual({"total", "page", "pageSize", "hasMore"}, set(meta["pagination"]))
        error = self.hub.get("/v1/workspaces/nonsense")
        error.expect_error(404, "NOT_FOUND")
        self.assertFalse(error.json["success"])
        self.assertTrue(error.headers["X-Request-Id"].startswith("req_"))

    # WF-7: RFC 9457
    def test_errors_are_problem_details_where_asked_for(self):
        answer = self.hub.post("/v1/workspaces", {"name": ""}, headers={"Accept": "application/problem+json"})
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        self.assertEqual((answer.status, answer.json["status"]), (400, 400))
        self.assertEqual(answer.json["code"], "VALIDATION_ERROR")

    # WF-41
    def test_an_idempotency_key_answers_the_same_again_and_refuses_another_body(self):
        key = {"Idempotency-Key": '"once"'}
        first = self.hub.post("/v1/workspaces", {"name": "once"}, headers=key)
        again = self.hub.post("/v1/workspaces", {"name": "once"}, headers={"Idempotency-Key": "once"})
        self.assertEqual(first.expect(202), again.expect(202))
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")
        self.hub.post("/v1/workspaces", {"name": "other"}, headers=key).expect_error(422, "IDEMPOTENCY_KEY_REUSED")
        self.assertIsNone(self.hub.find_workspace("other"))
        self.hub.await_completed(first.data["run"]["id"])

    # WF-41: many at once under one key
    def test_a_key_used_by_many_at_once_makes_one_workspace(self):
        answers = []

        def ask():
            answers.append(self.hub.post("/v1/workspaces", {"name": "storm"}, headers={"Idempotency-Key": "storm"}))

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        accepted = {a.data["run"]["id"] for a in answers if a.status == 202}
        self.assertEqual(len(accepted), 1)
        self.assertLessEqual({a.status for a in answers}, {202, 409})
        self.hub.await_completed(accepted.pop())

    def test_a_name_that_exists_is_a_conflict(self):
        error = self.hub.post("/v1/workspaces", {"name": "ready"}).expect_error(409, "CONFLICT")
        self.assertEqual(error["details"]["field"], "name")

    # WF-42
    def test_etags_make_reads_and_changes_conditional(self):
        path = "/v1/workspaces/" + self.ready["id"]
        tag = self.hub.get(path).headers["ETag"]
        self.assertEqual(self.hub.get(path, headers={"If-None-Match": tag}).status, 304)
        stale = {"If-Match": '"0-0"'}
        self.hub.delete(path, headers=stale).expect_error(412, "PRECONDITION_FAILED")
        self.assertEqual(self.hub.get(path).expect(200)["status"], "READY")

    # WF-43
    def test_prefer_wait_waits_for_the_end(self):
        answer = self.hub.post("/v1/workspaces", {"name": "waited"}, headers={"Prefer": "wait=30"})
        self.assertEqual(answer.expect(202)["run"]["status"], "completed")
        self.assertEqual(answer.headers["Preference-Applied"], "wait")

    # HUB-4, HUB-5, HUB-3
    def test_stop_start_and_delete(self):
        workspace = self.hub.create_workspace("cycle")
        path = "/v1/workspaces/" + workspace["id"]
        write = self.hub.command("exec", "cycle", "--", "sh", "-c", "echo kept > note")
        self.assertEqual(write.returncode, 0, write.stderr)

        self.hub.await_completed(self.hub.post(path + "/stop").expect(202)["run"]["id"])
        self.assertEqual(self.hub.get(path).expect(200)["status"], "SUSPENDED")
        self.assertEqual(self.hub.get(path + "/status").expect(200)["backend"]["state"], "stopped")
        self.hub.post(path + "/stop").expect_error(409, "INVALID_STATE_TRANSITION")

        self.hub.await_completed(self.hub.post(path + "/start").expect(202)["run"]["id"])
        self.hub.post(path + "/start").expect_error(409, "INVALID_STATE_TRANSITION")
        self.assertEqual(self.hub.command("exec", "cycle", "--", "cat", "note").stdout, "kept\n")

        self.hub.await_completed(self.hub.delete(path).expect(202)["run"]["id"])
        self.hub.get(path).expect_error(404, "NOT_FOUND")
        self.assertFalse((self.hub.data / "sandboxes" / workspace["instance_name"]).exists())

    # HUB-15
    def test_suspend_keeps_memory(self):
        workspace = self.hub.create_workspace("frozen")
        path = "/v1/workspaces/" + workspace["id"]
        self.hub.command("exec", "frozen", "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $! > pid").check_returncode()
        run = self.hub.await_run(self.hub.post(path + "/stop", {"mode": "suspend"}).expect(202)["run"]["id"])
        if run["status"] == "failed":  # where the machine has no freezer it says so, and nothing is lost
            self.assertEqual(run["error"]["code"], "SUSPEND_UNSUPPORTED")
            return
        self.assertEqual(self.hub.get(path + "/status").expect(200)["backend"]["state"], "suspended")
        self.hub.await_completed(self.hub.post(path + "/start").expect(202)["run"]["id"])
        alive = self.hub.command("exec", "frozen", "--", "sh", "-c", "kill -0 $(cat pid)")
        self.assertEqual(alive.returncode, 0, alive.stderr)

    # Legal in every state: a delete cuts a create short
    def test_delete_while_a_create_is_at_work(self):
        data = self.hub.post("/v1/workspaces", {"name": "short-lived"}).expect(202)
        deleted = self.hub.delete("/v1/workspaces/" + data["workspace"]["id"]).expect(202)
        self.hub.await_completed(deleted["run"]["id"])
        self.assertIn(self.hub.await_run(data["run"]["id"])["status"], ("cancelled", "completed"))
        self.assertFalse((self.hub.data / "sandboxes" / data["workspace"]["instance_name"]).exists())
        self.assertIsNone(self.hub.find_workspace("short-lived"))

    # WF-2, WF-6
    def test_a_run_and_its_events_tell_the_same(self):
        run_id = self.hub.get(f"/v1/workflows/runs?resourceId={self.ready['id']}").expect(200)[-1]["id"]
        run = self.hub.run(run_id)
        self.assertEqual((run["type"], run["resourceType"]), ("workspace.create", "workspace"))
        events = self.hub.get(f"/v1/workflows/runs/{run_id}/events?limit=200").expect(200)
        self.assertEqual([e["seq"] for e in events], list(range(1, len(events) + 1)))
        self.assertEqual((events[0]["type"], events[-1]["type"]), ("run_started", "run_completed"))
        completed = [e["step"] for e in events if e["type"] == "step_completed"]
        self.assertEqual(completed, [s["name"] for s in run["steps"]])

    # WF-44
    def test_a_runs_stream_is_complete_live_and_resumable(self):
        run_id = self.hub.post("/v1/workspaces", {"name": "streamed"}).expect(202)["run"]["id"]
        live = Stream(self.hub, f"/v1/workflows/runs/{run_id}/events")
        self.assertTrue(live.ended.wait(60), "the stream of a finished run ends")
        stored = self.hub.get(f"/v1/workflows/runs/{run_id}/events?limit=200").expect(200)
        self.assertEqual([int(e["id"]) for e in live.events], [e["seq"] for e in stored])
        middle = live.events[len(live.events) // 2]["id"]
        rest = Stream(self.hub, f"/v1/workflows/runs/{run_id}/events", last_event_id=middle)
        rest.ended.wait(60)
        self.assertEqual([e["id"] for e in rest.events], [e["id"] for e in live.events if int(e["id"]) > int(middle)])

    # HUB-8: for auto-cleanup
    def test_the_last_connection_is_recorded_at_once(self):
        workspace = self.hub.create_workspace("visited")
        path = "/v1/workspaces/" + workspace["id"]
        self.assertNotIn("last_connected_at", self.hub.get(path).expect(200))
        self.hub.command("exec", "visited", "--", "true").check_returncode()
        wait_until(lambda: "last_connected_at" in self.hub.get(path).expect(200), "the visit is recorded")
        self.assertEqual(self.hub.get(path).expect(200)["last_activity"]["kind"], "exec")

    # HUB-9
    def test_changes_reach_every_stream_and_are_replayed_after_a_reconnect(self):
        streams = [Stream(self.hub, "/v1/events") for _ in range(3)]
        wait_until(lambda: all(s.events for s in streams), "every stream says hello")
        workspace = self.hub.create_workspace("announced")
        about = lambda s: [e for e in s.events if workspace["id"] in e["data"]]  # noqa: E731
        wait_until(lambda: all(len(about(s)) >= 2 for s in streams), "every stream hears of it")
        self.assertEqual([about(s)[:2] for s in streams[1:]], [about(streams[0])[:2]] * 2)
        kinds = [json.loads(e["data"])["type"] for e in about(streams[0])]
        self.assertEqual(kinds[0], "workspace.created")
        hello = streams[0].events[0]["id"]
        for stream in streams:
            stream.close()
        again = Stream(self.hub, "/v1/events", last_event_id=hello)
        wait_until(lambda: len(about(again)) >= 2, "what was missed is told")
        again.close()

    # WF-3
    def test_a_run_can_be_cancelled_once(self):
        data = self.hub.post("/v1/workspaces", {"name": "cancelled"}).expect(202)
        path = f"/v1/workflows/runs/{data['run']['id']}/cancel"
        answer = self.hub.post(path)
        run = self.hub.await_run(data["run"]["id"])
        if answer.status == 409:
            self.assertEqual(run["status"], "completed")  # it was faster
        else:
            answer.expect(202)
            self.assertIn(run["status"], ("cancelled", "completed"))
        if run["status"] == "cancelled":
            self.assertFalse((self.hub.data / "sandboxes" / data["workspace"]["instance_name"]).exists())
            self.assertEqual(self.hub.find_workspace("cancelled")["error"]["code"], "CANCELLED")
        self.hub.post(path).expect_error(409, "INVALID_STATE_TRANSITION")

    def test_lists_page_by_number_and_by_cursor(self):
        everything = [w["id"] for w in self.hub.workspaces()]
        seen, cursor = [], ""
        while cursor is not None:
            answer = self.hub.get("/v1/workspaces?limit=2" + (f"&cursor={cursor}" if cursor else ""))
            seen += [w["id"] for w in answer.expect(200)]
            cursor = answer.json["meta"]["pagination"].get("nextCursor")
        self.assertGreaterEqual(set(seen), set(everything))
        self.assertEqual(len(seen), len(set(seen)))
        self.hub.get("/v1/workspaces?limit=0").expect_error(400, "VALIDATION_ERROR")
        self.hub.get("/v1/workspaces?sort=name").expect_error(400, "VALIDATION_ERROR")
        self.hub.get("/v1/workspaces?cursor=made-up").expect_error(400, "VALIDATION_ERROR")

    def test_why_explains(self):
        why = self.hub.get("/v1/why/" + self.ready["id"]).expect(200)
        self.assertEqual((why["kind"], why["state"]), ("workspace", "READY"))
        self.assertTrue(why["because"] and why["next"])
        run_id = self.hub.get(f"/v1/workflows/runs?resourceId={self.ready['id']}").expect(200)[-1]["id"]
        self.assertEqual(self.hub.get("/v1/why/" + run_id).expect(200)["kind"], "run")

    def test_workspaces_wait_in_their_queue_and_say_where_in_line_they_stand(self):
        self.hub.put("/v1/queues/workspaces", {"concurrency": 1}).expect(200)
        self.hub.patch("/v1/queues/workspaces", {"paused": True, "reason": "for a test"}).expect(200)
        first, second, third = (
            self.hub.post("/v1/workspaces", {"name": f"queued-{i}"}).expect(202)["run"] for i in range(3))
        self.assertEqual(first["status"], "pending")
        run = self.hub.get("/v1/workflows/runs/" + second["id"]).expect(200)
        self.assertEqual((run["status"], run["waiting"]["queue"], run["waiting"]["position"], run["waiting"]["reason"]),
                         ("pending", "workspaces", 2, "paused"))
        because = self.hub.get("/v1/why/" + second["id"]).expect(200)["because"]
        self.assertIn("for a test", because[0])
        queue = self.hub.get("/v1/queues/workspaces").expect(200)
        self.assertEqual((queue["waiting"], queue["admitted"], queue["keys"][0]["waiting"]), (3, 0, 3))
        self.hub.post(f"/v1/workflows/runs/{third['id']}/cancel").expect(202)
        self.assertEqual(self.hub.await_run(third["id"])["status"], "cancelled")
        self.hub.patch("/v1/queues/workspaces", {"paused": False}).expect(200)
        for run in (first, second):
            self.assertEqual(self.hub.await_run(run["id"])["status"], "completed")
        self.assertIn("slipway_queue_admitted_total", self.hub.get("/metrics").text)
        self.hub.delete("/v1/queues/workspaces").expect(200)
        self.hub.get("/v1/queues/workspaces").expect_error(404, "NOT_FOUND")
        self.hub.delete("/v1/queues/default").expect_error(409, "INVALID_STATE_TRANSITION")
        self.hub.put("/v1/queues/no%20name", {}).expect_error(400, "VALIDATION_ERROR")
        self.hub.put("/v1/queues/q", {"concurrency": 0}).expect_error(400, "VALIDATION_ERROR")

    def test_a_full_queue_refuses_a_start_and_leaves_nothing_of_it(self):
        self.hub.put("/v1/queues/workspaces", {"size": 1}).expect(200)
        self.hub.patch("/v1/queues/workspaces", {"paused": True}).expect(200)
        run = self.hub.post("/v1/workspaces", {"name": "taken-in"}).expect(202)["run"]
        self.hub.post("/v1/workspaces", {"name": "refused"}).expect_error(429, "QUEUE_FULL")
        self.assertIsNone(self.hub.find_workspace("refused"))
        self.hub.delete("/v1/queues/workspaces").expect(200)
        self.assertEqual(self.hub.await_run(run["id"])["status"], "completed")

    # HUB-13: the one-time token and the user's variables are nowhere in clear text
    def test_secrets_are_not_at_rest_in_clear_text_and_not_in_answers(self):
        shown = self.hub.command("exec", "ready", "--", "sh", "-c", "echo $COLOUR")
        self.assertEqual(shown.stdout, "s3cret-blue\n")
        everything = b"".join(p.read_bytes() for p in self.hub.data.glob("slipway.db*")) + self.hub.log().encode()
        self.assertNotIn(b"s3cret-blue", everything)
        self.assertNotIn(b"slat_", everything)
        self.assertNotIn(self.hub.key.encode(), everything)
        self.assertNotIn("s3cret", self.hub.get("/v1/workspaces/" + self.ready["id"]).text)
        self.assertEqual((self.hub.data / "client.json").stat().st_mode & 0o777, 0o600)

    def test_what_is_done_is_audited(self):
        entries = self.hub.get("/v1/audit?limit=200").expect(200)
        created = [e for e in entries if e["action"] == "workspace.create" and e["resource_id"] == self.ready["id"]]
        self.assertEqual(len(created), 1)
        self.assertTrue(created[0]["actor_id"].startswith("usr_") and created[0]["request_id"])

    def test_metrics_need_a_key_and_speak_prometheus(self):
        self.hub.get("/metrics", key=None).expect_error(401, "UNAUTHORIZED")
        answer = self.hub.get("/metrics")
        self.assertIn("version=0.0.4", answer.headers["Content-Type"])
        for name in ("slipway_runs_ended_total", "slipway_http_requests_total", "slipway_store_groups_total"):
            self.assertIn(name, answer.text)

    def test_the_dashboard_is_served_under_a_strict_policy(self):
        page = self.hub.get("/", key=None)
        self.assertEqual(page.status, 200)
        self.assertIn("default-src 'none'", page.headers["Content-Security-Policy"])


class MachineTest(unittest.TestCase):
    """What happens to machines behind the hub's back."""

    # HUB-17
    def test_a_machine_that_died_is_found_reported_and_started_again(self):
        with Hub() as hub:
            workspace = hub.create_workspace("mortal")
            path = "/v1/workspaces/" + workspace["id"]
            hub.command("exec", "mortal", "--", "sh", "-c", "echo kept > note").check_returncode()
            status_file = hub.data / "sandboxes" / workspace["instance_name"] / "status.json"
            pid = int(re.search(r'"child-pid":\s*(\d+)', status_file.read_text()).group(1))
            import os
            import signal

            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: hub.get(path).expect(200)["status"] == "ERROR", "the hub finds out by itself")
            self.assertEqual(hub.get(path).expect(200)["error"]["code"], "MACHINE_DIED")
            self.assertIn("start it again", hub.command("why", "mortal").stdout)
            hub.await_completed(hub.post(path + "/start").expect(202)["run"]["id"])
            self.assertEqual(hub.command("exec", "mortal", "--", "cat", "note").stdout, "kept\n")

    def test_machines_and_their_work_outlive_the_hub(self):
        with Hub() as hub:
            hub.create_workspace("steady")
            hub.command("exec", "steady", "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $! > pid").check_returncode()
            hub.kill()
            time.sleep(0.1)
            hub.start()
            self.assertEqual(hub.find_workspace("steady")["status"], "READY")
            self.assertEqual(hub.command("exec", "steady", "--", "sh", "-c", "kill -0 $(cat pid)").returncode, 0)


if __name__ == "__main__":
    unittest.main()
