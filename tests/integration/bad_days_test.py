#!/usr/bin/env python3
"""Bad input and bad days: nonsense on the wire, strangers, a full disk, a stopped or drained hub, a database that goes.

Each ends in a precise refusal or in patience, and never in a change or a dead hub.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from support.hub import PATIENCE_S, Hub, wait_until  # noqa: E402
from support.machines import Machines  # noqa: E402
from support.postgres import Postgres  # noqa: E402

DRAIN_S = 10  # the promise for SIGTERM
UNKNOWN_ID = "01900000-0000-7000-8000-000000000000"


def raw_exchange(port, request, half_close=True):
    """Sends bytes as they are; gives all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        # It may be answered, and be shown the door, before we have said it all.
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        if half_close:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                received += piece
        return received


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        cls.enterClassContext(cls.hub)

    def setUp(self):
        self.addCleanup(self.check_nothing_changed)

    def check_nothing_changed(self):
        self.assertTrue(self.hub.is_running(), self.hub.log_tail())
        self.assertEqual(self.hub.workspaces(), [])

    def refused(self, body, field, code="VALIDATION_ERROR", status=400):
        error = self.hub.post("/v1/workspaces", body).expect_error(status, code)
        if field is not None:
            self.assertEqual(error["details"]["field"], field, error)
        self.assertTrue(error["message"])

    def test_names_that_are_no_names_are_refused_with_field_and_reason(self):
        for name in ("", "-a", "a-", "A", "a b", "ä", "a" * 41, "a_b", "a.b", "../../etc", "a\u0000b", " a", "a\n"):
            with self.subTest(name=name):
                self.refused({"name": name}, "name")

    def test_wrong_types_and_unknown_fields_are_refused_with_the_field(self):
        for body, field in (
            ({}, "name"),
            ({"name": None}, "name"),
            ({"name": 5}, "name"),
            ({"name": ["a"]}, "name"),
            ({"name": "ok", "nmae": "a"}, "nmae"),
            ({"name": "ok", "machine_type": 7}, "machine_type"),
            ({"name": "ok", "machine_type": "gigantic"}, "machine_type"),
            ({"name": "ok", "provider": "nobody"}, "provider"),
            ({"name": "ok", "metadata": "text"}, "metadata"),
            ({"name": "ok", "metadata": {"color": "red"}}, "metadata/color"),
            ({"name": "ok", "environment": {"A": 1}}, "environment/A"),
        ):
            with self.subTest(body=body):
                self.refused(body, field)

    def test_what_is_no_json_object_is_refused(self):
        for body in ("", "{", "[]", "null", '"text"', "{}{}", '{"name":"a",}', "[" * 100_000, '{"name":"\\ud800"}'):
            with self.subTest(body=body[:20]):
                self.refused(body, None)

    def test_a_key_twice_is_refused(self):
        self.refused('{"name":"one","name":"two"}', None)

    def test_bad_unicode_is_refused(self):
        self.refused(b'{"name":"\xff\xfe"}', None)

    def test_a_body_that_is_too_large_is_refused(self):
        self.refused('{"name":"' + "a" * (2 << 20) + '"}', None, "PAYLOAD_TOO_LARGE", 413)

    def test_half_a_request_changes_nothing(self):
        body = b'{"name":"half"}'
        head = (
            f"POST /v1/workspaces HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.hub.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        whole = head + body
        for length in (1, 10, len(head) - 2, len(head), len(whole) - 1):
            with self.subTest(length=length):
                raw_exchange(self.hub.port, whole[:length])

    def test_noise_on_the_wire_gets_a_refusal_or_the_door(self):
        for noise in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"\0" * 1000,
            b"GET / HTTP/1.1\r\n" + b"A: " + b"a" * 100_000 + b"\r\n\r\n",
            b"POST /v1/workspaces HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            b"POST /v1/workspaces HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /../../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
        ):
            with self.subTest(noise=noise[:40]):
                answer = raw_exchange(self.hub.port, noise)
                self.assertTrue(answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")), answer[:200])

    def test_unknown_ids_and_routes_are_404_and_wrong_methods_405(self):
        for path in (
            f"/v1/workspaces/{UNKNOWN_ID}", "/v1/workspaces/hello", f"/v1/workspaces/{UNKNOWN_ID}/status",
            "/v1/workflows/runs/run_unknown", "/v1/nothing", "/v1/workspaces/%00",
        ):  # fmt: skip
            with self.subTest(path=path):
                self.assertIn(self.hub.get(path).status, (400, 404))
        self.hub.delete(f"/v1/workspaces/{UNKNOWN_ID}").expect_error(404, "NOT_FOUND")
        self.hub.request("PATCH", "/v1/workspaces").expect_error(405, "METHOD_NOT_ALLOWED")

    def test_without_a_key_every_route_is_denied(self):
        for method, path in (("GET", "/v1/workspaces"), ("POST", "/workspaces"), ("GET", "/v1/me"), ("GET", "/metrics"),
                             ("DELETE", f"/v1/workspaces/{UNKNOWN_ID}"), ("GET", "/v1/workflows/runs")):  # fmt: skip
            for key in (None, "slk_wrong", ""):
                with self.subTest(path=path, key=key):
                    self.hub.request(method, path, key=key).expect_error(401, "UNAUTHORIZED")


class Strangers(unittest.TestCase):
    def test_what_belongs_to_another_user_is_not_there(self):
        with Hub() as hub:
            mine = hub.create_workspace("mine")
            other = hub.post("/v1/api-keys", {"name": "other", "role": "member"}).expect(201)["key"]
            for method, path in (("GET", ""), ("GET", "/status"), ("POST", "/stop"), ("POST", "/start"), ("DELETE", "")):
                with self.subTest(path=path, method=method):
                    hub.request(method, f"/v1/workspaces/{mine['id']}{path}", key=other).expect_error(404, "NOT_FOUND")
            run = hub.get(f"/v1/workflows/runs?resourceId={mine['id']}").expect(200)[0]["id"]
            for path in (f"/v1/workflows/runs/{run}", f"/v1/workflows/runs/{run}/events", f"/v1/why/{mine['id']}"):
                hub.get(path, key=other).expect_error(404, "NOT_FOUND")
            self.assertEqual(hub.get("/v1/workspaces", key=other).expect(200), [])
            self.assertEqual(hub.get("/v1/workflows/runs", key=other).expect(200), [])
            hub.get("/v1/api-keys", key=other).expect_error(403, "FORBIDDEN")
            hub.post("/v1/workspaces", {"name": "mine"}).expect_error(409, "CONFLICT")
            self.assertEqual(hub.get("/v1/workspaces/" + mine["id"]).expect(200)["status"], "READY")


class SameTwice(unittest.TestCase):
    def test_the_same_create_twice_makes_one_workspace(self):
        with Hub() as hub:
            headers = {"Idempotency-Key": "one-and-the-same"}
            answers = []

            def create():
                answers.append(hub.post("/v1/workspaces", {"name": "once"}, headers=headers))

            threads = [threading.Thread(target=create) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            accepted = [answer for answer in answers if answer.status == 202]
            self.assertTrue(accepted)
            self.assertEqual(len({answer.data["workspace"]["id"] for answer in accepted}), 1)
            for answer in answers:
                if answer.status != 202:
                    answer.expect_error(409, "IDEMPOTENCY_KEY_IN_PROGRESS")
            hub.await_completed(accepted[0].data["run"]["id"])
            hub.restart()
            again = hub.post("/v1/workspaces", {"name": "once"}, headers=headers)
            self.assertEqual(again.expect(202)["workspace"]["id"], accepted[0].data["workspace"]["id"])
            self.assertEqual(again.headers["Idempotent-Replayed"], "true")
            hub.post("/v1/workspaces", {"name": "another"}, headers=headers).expect_error(422, "IDEMPOTENCY_KEY_REUSED")
            self.assertEqual(len(hub.workspaces()), 1)


@unittest.skipUnless(os.geteuid() == 0, "mounting a small disk needs root")
class FullDisk(unittest.TestCase):
    """Data on a file system of a few megabytes, filled up by something else."""

    SIZE = 24 << 20

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-full-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.SIZE}", "tmpfs", self.disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=True)

    def fill(self):
        with open(self.disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 4096)

    def test_writes_fail_clearly_reads_go_on_and_space_heals(self):
        with Hub(data=self.disk / "data") as hub:
            hub.create_workspace("before")
            self.fill()
            count = 0

            def refused():
                nonlocal count
                count += 1
                answer = hub.post("/v1/workspaces", {"name": f"full{count}"})
                return answer if answer.status != 202 else None

            # Some pages are still free inside of the database's files.
            refusal = wait_until(refused, "the disk is full")
            refusal.expect_error(503, "STORE_FULL")
            before = {workspace["name"] for workspace in hub.workspaces()}
            self.assertIn("before", before)
            self.assertNotIn(f"full{count}", before)

            (self.disk / "filler").unlink()
            healed = wait_until(
                lambda: (lambda answer: answer.data if answer.status == 202 else None)(
                    hub.post("/v1/workspaces", {"name": "after"})
                ),
                "writes go on when there is space again",
            )
            hub.await_completed(healed["run"]["id"])
            wait_until(lambda: hub.get("/health", key=None).status == 200, "the hub is healthy again")
            for workspace in hub.workspaces():
                if workspace.get("run_id"):
                    hub.await_run(workspace["run_id"])


class Signals(unittest.TestCase):
    def test_sigterm_drains_within_its_bound_and_loses_nothing(self):
        with Hub() as hub:
            accepted = hub.post("/v1/workspaces", {"name": "drained"}).expect(202)
            stream = socket.create_connection(("127.0.0.1", hub.port), timeout=PATIENCE_S)
            stream.sendall(f"GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {hub.key}\r\n\r\n".encode())
            self.assertIn(b"200", stream.recv(64))
            # A client that sends nothing more holds nothing up.
            idle = socket.create_connection(("127.0.0.1", hub.port), timeout=PATIENCE_S)
            with stream, idle:
                self.assertEqual(hub.stop(patience_s=DRAIN_S + 5), 0, hub.log_tail())
            hub.start()
            hub.await_completed(accepted["run"]["id"])
            self.assertEqual(hub.find_workspace("drained")["status"], "READY")

    def test_a_hub_that_stood_still_goes_on(self):
        with Hub() as hub:
            workspace = hub.create_workspace("still")
            stop = hub.post(f"/v1/workspaces/{workspace['id']}/stop").expect(202)
            os.kill(hub.process.pid, signal.SIGSTOP)
            wait_until(lambda: state_of(hub.process.pid) == "T", "the hub stands still")
            os.kill(hub.process.pid, signal.SIGCONT)
            hub.await_completed(stop["run"]["id"])
            start = hub.post(f"/v1/workspaces/{workspace['id']}/start").expect(202)
            hub.await_completed(start["run"]["id"])


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class OnPostgres(unittest.TestCase):
    def setUp(self):
        self.postgres = Postgres()
        self.addCleanup(self.postgres.close)

    def test_the_whole_life_of_a_workspace_over_a_restart_of_the_database(self):
        with Hub(options=["--database", self.postgres.url]) as hub:
            workspace = hub.create_workspace("held")
            path = f"/v1/workspaces/{workspace['id']}"
            stop = hub.post(f"{path}/stop").expect(202)
            self.postgres.stop()
            refusal = hub.post("/v1/workspaces", {"name": "refused"})
            refusal.expect(503)
            self.assertIn(refusal.error["code"], ("STORE_UNAVAILABLE", "STORE_BUSY"))
            self.assertTrue(hub.is_running(), hub.log_tail())
            self.postgres.start()
            wait_until(lambda: hub.get("/health", key=None).status == 200, "the hub finds its database again")
            hub.await_completed(stop["run"]["id"])
            self.assertEqual(hub.get(path).expect(200)["status"], "SUSPENDED")
            hub.await_completed(hub.post(f"{path}/start").expect(202)["run"]["id"])
            hub.kill()
            hub.start()
            self.assertEqual([each["name"] for each in hub.workspaces()], ["held"])
            hub.await_completed(hub.delete(path).expect(202)["run"]["id"])
            self.assertEqual(Machines(hub.data).processes(), {})


if __name__ == "__main__":
    unittest.main(verbosity=2)
