"""Templates, their versions, archives, quota and groups over the API, with a daemon that the test plays."""

import contextlib
import hashlib
import http.client
import json
import pathlib
import re
import socket
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402
from support.played_daemon import PlayedDaemon, archive_of  # noqa: E402

FILES = {"main.tf": "# nothing", "README.md": "# A template"}
CPUS = {
    "name": "cpus", "displayName": "", "description": "", "type": "number", "defaultValue": "2", "required": False,
    "isMutable": True, "ephemeral": False, "sensitive": False, "options": [], "minimum": 1, "maximum": 8,
}  # fmt: skip
TOKEN = {"name": "token", "type": "string", "description": "", "required": True, "sensitive": True}


class LargeUpload:
    """Of an archive, as far as the hub's word that it may come."""

    def __init__(self, hub, letter):
        self.content = letter.encode() * 2_000_000
        self.path = f"/v1/blobs/{hashlib.sha256(self.content).hexdigest()}"
        self._socket = socket.create_connection(("127.0.0.1", hub.port), timeout=60)
        head = f"PUT {self.path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {hub.key}\r\nExpect: 100-continue\r\n"
        self._socket.sendall(f"{head}Content-Length: {len(self.content)}\r\n\r\n".encode())
        word = b""
        while not word.endswith(b"\r\n\r\n"):
            byte = self._socket.recv(1)
            if not byte:
                raise ConnectionError(f"the hub ended its answer after {word}")
            word += byte
        self.may_come = word.startswith(b"HTTP/1.1 100 ")

    def finish(self):
        """Sends it, if it may come; gives the status of the answer."""
        if not self.may_come:
            return None
        self._socket.sendall(self.content)
        response = http.client.HTTPResponse(self._socket, method="PUT")
        response.begin()
        response.read()
        return response.status

    def close(self):
        self._socket.close()


class TemplatesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub().__enter__()
        cls.addClassCleanup(cls.hub.__exit__, None, None, None)
        cls.daemon = PlayedDaemon(cls.hub)
        cls.addClassCleanup(cls.daemon.__exit__, None, None, None)
        cls.member = cls.hub.post("/v1/api-keys", {"name": "member", "role": "member"}).expect(201)

    def get(self, path):
        return self.hub.get(path).expect(200)

    # ---- archives

    # RUN-2: beyond JSON's limit, and back as it was.
    def test_an_archive_is_kept_under_its_hash(self):
        archive = archive_of({"large.txt": "x" * 3_000_000})
        digest = hashlib.sha256(archive).hexdigest()
        self.assertEqual(self.hub.put(f"/v1/blobs/{digest}", archive).expect(200), {"hash": digest, "size": len(archive)})
        self.hub.put(f"/v1/blobs/{digest}", archive).expect(200)
        self.hub.put(f"/v1/blobs/{digest}", b"something else").expect_error(400, "VALIDATION_ERROR")
        answer = self.hub.get(f"/v1/blobs/{digest}", key=self.daemon.key)
        self.assertEqual((answer.status, len(answer.text)), (200, len(archive)))
        self.hub.get(f"/v1/blobs/{'0' * 64}").expect_error(404, "NOT_FOUND")

    def test_archives_are_for_admins_and_daemons(self):
        path = f"/v1/blobs/{hashlib.sha256(b'x').hexdigest()}"
        self.hub.put(path, b"x", key=self.member["key"]).expect_error(403, "FORBIDDEN")
        self.hub.get(path, key=self.member["key"]).expect_error(403, "FORBIDDEN")
        self.hub.put(path, b"x", key=self.daemon.key).expect_error(401, "UNAUTHORIZED")

    # RUN-2: who is not known sends no megabytes.
    def test_a_large_upload_of_a_stranger_is_refused_by_its_head(self):
        path = f"/v1/blobs/{hashlib.sha256(b'x').hexdigest()}"
        for key in ("slk_nobodys", "sld_nobodys", ""):
            with self.subTest(key=key), contextlib.closing(
                http.client.HTTPConnection("127.0.0.1", self.hub.port, timeout=60)
            ) as connection:
                connection.putrequest("PUT", path)
                connection.putheader("Authorization", f"Bearer {key}")
                connection.putheader("Content-Length", "60000000")
                connection.endheaders()  # and never a byte of it
                answer = connection.getresponse()
                self.assertEqual((answer.status, json.load(answer)["error"]["code"]), (401, "UNAUTHORIZED"))

    def upload_late(self):
        upload = LargeUpload(self.hub, "q")
        with contextlib.closing(upload):
            return upload.finish() == 200

    # RUN-2: what the hub holds in memory is bounded; who is over the bound is told when to come again.
    def test_the_seventeenth_large_upload_at_once_comes_later_and_none_is_lost(self):
        uploads = [LargeUpload(self.hub, letter) for letter in "abcdefghijklmnop"]
        for upload in uploads:
            self.addCleanup(upload.close)
        self.assertTrue(all(upload.may_come for upload in uploads))
        late = b"q" * 2_000_000
        path = f"/v1/blobs/{hashlib.sha256(late).hexdigest()}"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.hub.port, timeout=60)) as connection:
            connection.putrequest("PUT", path)
            connection.putheader("Authorization", f"Bearer {self.hub.key}")
            connection.putheader("Content-Length", str(len(late)))
            connection.endheaders()
            answer = connection.getresponse()
            self.assertEqual((answer.status, json.load(answer)["error"]["code"]), (503, "TOO_MANY_UPLOADS"))
            self.assertEqual(answer.headers["Retry-After"], "2")
        small = f"/v1/blobs/{hashlib.sha256(b'small').hexdigest()}"
        self.hub.put(small, b"small").expect(200)

        uploads.pop().close()  # one that is broken off makes room
        wait_until(self.upload_late, "there is room again")
        self.assertEqual([upload.finish() for upload in uploads], [200] * 15)
        for upload in uploads:
            self.assertEqual(self.hub.get(upload.path).text.encode(), upload.content)
        self.assertEqual(self.hub.get(path).text.encode(), late)

    # ---- versions

    def test_a_pushed_version_becomes_ready_and_active_and_can_be_rolled_back(self):
        self.daemon.push_template("versions", FILES, displayName="Versions")
        self.assertEqual(self.get("/v1/templates/versions")["activeVersion"], "v1")
        self.daemon.push_template("versions", FILES, message="better", name="2.0")
        template = self.get("/v1/templates/versions")
        self.assertEqual((template["displayName"], template["activeVersion"]), ("Versions", "2.0"))
        rolled_back = self.hub.patch("/v1/templates/versions", {"activeVersion": "v1"}).expect(200)
        self.assertEqual(rolled_back["activeVersion"], "v1")
        versions = self.get("/v1/templates/versions/versions")
        self.assertEqual([(v["name"], v["isActive"]) for v in versions], [("2.0", False), ("v1", True)])

    def test_an_import_that_failed_leaves_the_active_version(self):
        self.daemon.push_template("failing", FILES)
        accepted = self.daemon.push("failing", {"main.tf": "broken"})
        self.daemon.fail(self.daemon.acquire(), code="TEMPLATE_INVALID", message="line 1: nonsense")
        self.assertEqual(self.hub.await_run(accepted["run"]["id"])["status"], "failed")
        version = self.get("/v1/templates/failing/versions/v2")
        self.assertEqual((version["status"], version["error"]["code"]), ("failed", "TEMPLATE_INVALID"))
        self.assertEqual(self.get("/v1/templates/failing")["activeVersion"], "v1")
        self.hub.patch("/v1/templates/failing", {"activeVersion": "v2"}).expect_error(409, "INVALID_STATE_TRANSITION")

    # RUN-14, RUN-17, RUN-22
    def test_values_of_variables_go_to_the_daemon_and_are_never_shown(self):
        accepted = self.daemon.push("variables", FILES, variables={"token": "hush-hush"})
        job = self.daemon.acquire()
        answer = self.daemon.update(
            job,
            "parse",
            parsed={
                "variables": [TOKEN, {**TOKEN, "name": "usual", "required": False, "defaultValue": '"whispered"'}],
                "parameters": [CPUS, {**CPUS, "name": "pin", "sensitive": True, "defaultValue": "7"}],
                "readme": "# Read me",
                "tags": {},
            },
        )
        given = {"name": "token", "value": "hush-hush", "sensitive": True}
        self.assertEqual(answer["variables"], [given, {"name": "usual", "value": "whispered", "sensitive": True}])
        outcome = {"startResources": [], "stopResources": [], "startDailyCost": 0, "stopDailyCost": 0}
        self.daemon.complete(job, templateImport=outcome)
        self.hub.await_completed(accepted["run"]["id"])
        shown = self.hub.get("/v1/templates/variables/versions/v1", key=self.member["key"])
        self.assertNotIn("hush-hush", shown.text)
        self.assertNotIn("whispered", shown.text)
        version = shown.expect(200)
        self.assertEqual(version["variables"][0]["value"], "*redacted*")
        self.assertEqual((version["parameters"][0]["name"], version["readme"]), ("cpus", "# Read me"))
        self.assertEqual([each["defaultValue"] for each in version["parameters"]], ["2", "*redacted*"])

    def test_a_variable_without_a_value_is_named(self):
        accepted = self.daemon.push("missing", FILES)
        job = self.daemon.acquire()
        body = {
            "fence": job["fence"], "phase": "parse", "repeatable": False, "firstLog": 0, "logs": [],
            "parsed": {"variables": [TOKEN], "parameters": [], "readme": "", "tags": {}},
        }  # fmt: skip
        path = f"/v1/daemon/jobs/{job['id']}/update"
        error = self.hub.post(path, body, key=self.daemon.key).expect_error(400, "REQUIRED_TEMPLATE_VARIABLES")
        self.assertEqual(error["details"]["names"], ["token"])
        self.daemon.fail(job, code=error["code"], message=error["message"])
        self.hub.await_run(accepted["run"]["id"])

    def test_a_template_that_is_deprecated_makes_no_new_workspaces(self):
        self.daemon.push_template("old", FILES)
        self.hub.patch("/v1/templates/old", {"deprecated": "use new"}).expect(200)
        refused = self.hub.post("/v1/workspaces", {"name": "no", "from_template": "old"})
        self.assertIn("use new", refused.expect_error(400, "TEMPLATE_DEPRECATED")["message"])
        self.assertNotIn("old", [t["name"] for t in self.get("/v1/templates?deprecated=false")])
        self.assertNotIn("deprecated", self.hub.patch("/v1/templates/old", {"deprecated": None}).expect(200))

    # RUN-18: also where no daemon ever had a job for it.
    def test_builds_are_counted_however_they_end(self):
        self.daemon.push_template("counted", FILES)
        accepted = self.hub.post("/v1/workspaces", {"name": "never", "from_template": "counted"}).expect(202)
        run, workspace = accepted["run"]["id"], accepted["workspace"]["id"]
        self.hub.post(f"/v1/workflows/runs/{run}/cancel").expect(202)
        self.assertEqual(self.hub.await_run(run)["status"], "cancelled")
        deleted = self.hub.delete(f"/v1/workspaces/{workspace}").expect(202)
        self.hub.await_completed(deleted["run"]["id"])
        # An end can be seen a moment before it is counted.
        for labels in ('status="cancelled",transition="start"', 'status="succeeded",transition="destroy"'):
            line = re.compile(rf"^slipway_workspace_builds_total{{{labels}}} [1-9]", re.MULTILINE)
            wait_until(lambda line=line: line.search(self.hub.get("/metrics").text), labels)

    def test_a_template_with_workspaces_cannot_be_deleted(self):
        self.daemon.push_template("used", FILES)
        job = self.daemon.build("used", "of-used")
        self.hub.delete("/v1/templates/used").expect_error(409, "CONFLICT")
        self.daemon.complete_build(job)
        accepted = self.hub.delete(f"/v1/workspaces/{job['workspace']}").expect(202)
        self.hub.await_completed(accepted["run"]["id"])
        self.hub.delete("/v1/templates/used").expect(200)
        self.hub.get("/v1/templates/used").expect_error(404, "NOT_FOUND")

    def test_changing_needs_an_admin_and_what_was_seen(self):
        self.daemon.push_template("etag", FILES)
        seen = self.hub.get("/v1/templates/etag").headers["ETag"]
        path = "/v1/templates/etag"
        self.hub.patch(path, {"icon": "x"}, key=self.member["key"]).expect_error(403, "FORBIDDEN")
        self.hub.patch(path, {"icon": "x"}, headers={"If-Match": seen}).expect(200)
        self.hub.patch(path, {"icon": "y"}, headers={"If-Match": seen}).expect_error(412, "PRECONDITION_FAILED")
        self.hub.patch(path, {"jobsMax": 0}).expect_error(400, "VALIDATION_ERROR")

    # RUN-1
    def test_a_dry_run_plans_for_a_workspace_that_does_not_exist(self):
        self.daemon.push_template("dry", FILES, parsed={"parameters": [CPUS]})
        path = "/v1/templates/dry/versions/v1/dry-run"
        self.hub.post(path, {"parameters": {"cpus": "9"}}).expect_error(400, "VALIDATION_ERROR")
        accepted = self.hub.post(path, {"parameters": {"cpus": "4"}}, key=self.member["key"]).expect(202)
        job = self.daemon.acquire()
        self.assertEqual((job["id"], job["type"]), (accepted["dryRun"]["jobId"], "template_dry_run"))
        self.assertEqual(job["parameters"], [{"name": "cpus", "value": "4", "sensitive": False}])
        self.daemon.complete(job, dryRun={"resources": [], "dailyCost": 7})
        self.assertEqual(self.get(f"/v1/jobs/{job['id']}")["dryRun"]["dailyCost"], 7)

    # ---- quota

    # RUN-11
    def test_builds_pass_as_far_as_the_budget_goes(self):
        self.daemon.push_template("costly", FILES, daily_cost=6)
        self.addCleanup(lambda: self.hub.delete("/v1/groups/everyone").expect(200))
        self.hub.put("/v1/groups/everyone", {"dailyBudget": 10}).expect(200)
        question = {"fromTemplate": "costly"}
        self.assertEqual(self.hub.post("/v1/quota/check", question).expect(200)["ok"], True)
        job = self.daemon.build("costly", "first")
        commit = {"fence": job["fence"], "dailyCost": 6}
        path = f"jobs/{job['id']}/commit-quota"
        self.assertEqual(self.daemon.call(path, commit), {"ok": True, "consumed": 6, "budget": 10})
        self.assertEqual(self.daemon.call(path, commit), {"ok": True, "consumed": 6, "budget": 10})
        asked = self.hub.post("/v1/quota/check", question).expect(200)
        self.assertEqual((asked["ok"], asked["consumed"]), (False, 12))
        self.daemon.complete_build(job)
        quota = self.get("/v1/quota")
        self.assertEqual((quota["consumed"], quota["budget"], quota["groups"]), (6, 10, ["everyone"]))
        other = self.daemon.build("costly", "second")
        refused = self.daemon.call(f"jobs/{other['id']}/commit-quota", {"fence": other["fence"], "dailyCost": 6})
        self.assertEqual(refused, {"ok": False, "consumed": 6, "budget": 10})
        self.daemon.fail(other, code="INSUFFICIENT_QUOTA", error_class="quota", message="too much")
        self.hub.await_run(other["run"])

    # RUN-11: the known daemon fails one of two builds for the conflict alone.
    def test_commits_at_the_same_time_are_answered_one_after_another(self):
        self.daemon.push_template("parallel", FILES)
        jobs = [self.daemon.build("parallel", f"p{i}") for i in range(6)]
        before = self.get("/v1/quota")["consumed"]
        self.addCleanup(lambda: self.hub.delete("/v1/groups/everyone").expect(200))
        self.hub.put("/v1/groups/everyone", {"dailyBudget": before + 4}).expect(200)
        answers = []

        def commit(job):
            path = f"jobs/{job['id']}/commit-quota"
            answers.append(self.daemon.call(path, {"fence": job["fence"], "dailyCost": 1})["ok"])

        threads = [threading.Thread(target=commit, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answers), [False] * 2 + [True] * 4)
        for job in jobs:
            self.daemon.fail(job)
            self.hub.await_run(job["run"])

    def test_groups_and_other_peoples_quota_are_for_admins(self):
        member = {"key": self.member["key"]}
        self.hub.get("/v1/groups", **member).expect_error(403, "FORBIDDEN")
        self.hub.put("/v1/groups/g", {"dailyBudget": 1}, **member).expect_error(403, "FORBIDDEN")
        mine = self.hub.get("/v1/quota", **member).expect(200)
        self.assertEqual((mine["ownerId"], mine["consumed"]), (self.member["user_id"], 0))
        me = self.get("/v1/me")["user_id"]
        self.hub.get(f"/v1/quota?owner={me}", **member).expect_error(403, "FORBIDDEN")
        self.hub.put("/v1/groups/g", {"dailyBudget": 5, "members": [mine["ownerId"]]}).expect(200)
        self.addCleanup(lambda: self.hub.delete("/v1/groups/g").expect(200))
        self.assertEqual(self.hub.get("/v1/quota", **member).expect(200)["budget"], 5)
        self.assertEqual(self.get("/v1/quota")["budget"], 0)
        self.hub.put("/v1/groups/g", {"dailyBudget": 5, "members": ["usr_nobody"]}).expect_error(400, "VALIDATION_ERROR")


if __name__ == "__main__":
    unittest.main()
