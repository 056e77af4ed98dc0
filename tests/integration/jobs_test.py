"""The queue of provisioner jobs over the wire, with daemons that the test plays: an independent client of RUN-2 to RUN-5,
RUN-8 to RUN-10, RUN-13 and RUN-15."""

import http.client
import json
import pathlib
import shutil
import sys
import threading
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402
from support.played_daemon import PlayedDaemon  # noqa: E402
from support.postgres import Postgres  # noqa: E402

FILES = {"main.tf": "# nothing"}
IMPORTED = {"startResources": [], "stopResources": [], "startDailyCost": 0, "stopDailyCost": 0}


class InThread:
    """Calls something beside the test, and gives what it gave."""

    def __init__(self, function):
        self._result = None
        self._thread = threading.Thread(target=self._run, args=(function,))
        self._thread.start()

    def _run(self, function):
        try:
            self._result = (function(), None)
        except BaseException as error:  # noqa: BLE001: it belongs to the test
            self._result = (None, error)

    def result(self):
        self._thread.join()
        value, error = self._result
        if error:
            raise error
        return value


class Daemon(PlayedDaemon):
    def __init__(self, hub, provisioner="played", name="played", tags=None, key=None):
        self.name, self.tags = name, tags or {}
        self.shown = key
        self.instance = str(uuid.uuid4())
        super().__init__(hub, provisioner)

    def register(self):
        self.key = self.shown or self.key
        self.id = self.call("register", self.registration())["daemonId"]

    def registration(self, **fields):
        return {
            "name": self.name, "version": "0", "apiVersion": 1, "provisioners": [self.provisioner], "tags": self.tags,
            "runners": 9, "instance": self.instance, **fields,
        }  # fmt: skip

    def ask(self, path, body):
        """The whole answer, whatever its status."""
        return self.hub.post(f"/v1/daemon/{path}", body, key=self.key)

    def take(self, wait_ms=0, token=None, draining=False):
        body = {"daemonId": self.id, "token": token or str(uuid.uuid4()), "waitMs": wait_ms, "draining": draining}
        return self.call("acquire", body).get("job")

    def say(self, text, number):
        return {
            "source": "provisioner", "level": "info", "stage": "Planning infrastructure",
            "at": f"2026-01-01T00:00:{number % 60:02}.000Z", "output": text,
        }  # fmt: skip

    def log(self, job, texts, first):
        return self.update(job, "plan", firstLog=first, logs=[self.say(t, first + i) for i, t in enumerate(texts)])

    def finish(self, job):
        return self.complete(job, templateImport=IMPORTED)["status"]

    def goodbye(self):
        self.call("goodbye", {"daemonId": self.id})


def read_stream(hub, path, last_id=None):
    """All events of a stream that ends by itself: (event, id, data)."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
    headers = {"Authorization": f"Bearer {hub.key}", "Accept": "text/event-stream"}
    if last_id is not None:
        headers["Last-Event-ID"] = str(last_id)
    try:
        connection.request("GET", path, headers=headers)
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in fields:
            events.append((fields["event"], fields.get("id"), fields["data"]))
    return events


class JobsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = cls.enterClassContext(Hub(options=["--open-metrics"]))

    def setUp(self):
        self.provisioner = f"played-{uuid.uuid4().hex[:8]}"  # jobs of one test are not for the daemons of another
        self.template = f"t-{uuid.uuid4().hex[:8]}"

    def daemon(self, **options):
        return Daemon(self.hub, self.provisioner, **options)

    def job(self, job_id):
        return self.hub.get(f"/v1/jobs/{job_id}").expect(200)

    def push(self, daemon, **fields):
        """Asks for an import; gives the job's record once it is in line."""
        accepted = daemon.push(self.template, FILES, **fields)
        run = accepted["run"]["id"]

        def queued():
            found = self.hub.get(f"/v1/jobs?runId={run}").expect(200)
            return found[0] if found else None

        return wait_until(queued, "the job is in line")

    # ---- taking

    # RUN-2
    def test_a_daemon_that_waits_gets_a_job_as_soon_as_there_is_one(self):
        daemon = self.daemon()
        waiting = InThread(lambda: daemon.take(wait_ms=50_000))
        queued = self.push(daemon)
        taken = waiting.result()
        self.assertEqual((taken["id"], taken["attempt"], taken["type"]), (queued["id"], 1, "template_import"))
        self.assertEqual(daemon.finish(taken), "succeeded")
        self.hub.await_completed(queued["runId"])

    def test_a_poll_ends_without_a_job(self):
        self.assertIsNone(self.daemon().take(wait_ms=100))

    # RUN-15: a daemon that is killed while it asks takes no job with it.
    def test_a_poll_whose_daemon_is_gone_takes_no_job(self):
        gone, there = self.daemon(name="gone"), self.daemon(name="there")
        poll = http.client.HTTPConnection("127.0.0.1", self.hub.port, timeout=60)
        body = {"daemonId": gone.id, "token": str(uuid.uuid4()), "waitMs": 50_000, "draining": False}
        headers = {"Authorization": f"Bearer {gone.key}", "Content-Type": "application/json"}
        poll.request("POST", "/v1/daemon/acquire", json.dumps(body), headers)
        poll.close()
        queued = self.push(there)
        taken = wait_until(lambda: there.take(wait_ms=5_000), "the job is given to the daemon that is there")
        self.assertEqual((taken["id"], taken["attempt"]), (queued["id"], 1))
        there.finish(taken)

    def test_no_two_daemons_get_one_job(self):
        daemons = [self.daemon(name=f"d{i}") for i in range(4)]
        jobs = {self.push(daemons[0])["id"] for _ in range(6)}
        takers = [InThread(lambda d=d: [job for job in (d.take(500) for _ in range(3)) if job]) for d in daemons]
        taken = [job["id"] for taker in takers for job in taker.result()]
        self.assertEqual(sorted(taken), sorted(jobs))

    def test_an_acquire_that_is_said_again_gives_the_same_job(self):
        daemon = self.daemon()
        self.push(daemon)
        token = str(uuid.uuid4())
        first, again = daemon.take(token=token), daemon.take(token=token)
        self.assertEqual((first["id"], first["fence"]), (again["id"], again["fence"]))

    def test_a_draining_daemon_gets_nothing(self):
        daemon = self.daemon()
        self.push(daemon)
        self.assertIsNone(daemon.take(draining=True))
        found = [d for d in self.hub.get("/v1/daemons").expect(200)["daemons"] if d["id"] == daemon.id]
        self.assertEqual(found[0]["status"], "draining")

    # RUN-4
    def test_a_job_that_nobody_can_take_says_why(self):
        daemon = self.daemon(tags={"zone": "a"})
        job = self.push(daemon, tags={"zone": "a", "kind": "gpu"})
        self.assertIsNone(daemon.take())
        pending = self.job(job["id"])["pending"]
        self.assertEqual((pending["reason"], pending["missingTags"]), ("tags_missing", {"kind": "gpu"}))
        self.assertEqual(pending["daemons"][0]["missingTags"], {"kind": "gpu"})
        why = self.hub.get(f"/v1/why/{job['id']}").expect(200)
        self.assertIn("kind=gpu", " ".join(why["because"]))
        able = self.daemon(name="able", tags={"zone": "a", "kind": "gpu", "more": "1"})
        self.assertEqual(able.take()["id"], job["id"])

    # ---- who holds it

    # RUN-3, RUN-15
    def test_what_a_daemon_leaves_behind_is_done_by_another_and_the_first_is_shut_out(self):
        first, second = self.daemon(name="first"), self.daemon(name="second")
        queued = self.push(first)
        old = first.take()
        waiting = InThread(lambda: second.take(wait_ms=50_000))
        first.goodbye()
        anew = waiting.result()
        self.assertEqual((anew["id"], anew["attempt"]), (queued["id"], 2))
        self.assertGreater(anew["fence"], old["fence"])
        for path, body in [
            ("update", {"fence": old["fence"], "phase": "plan", "repeatable": False, "firstLog": 0, "logs": []}),
            ("complete", {"fence": old["fence"], "templateImport": IMPORTED, "timings": []}),
            ("commit-quota", {"fence": old["fence"], "dailyCost": 1}),
        ]:
            first.ask(f"jobs/{old['id']}/{path}", body).expect_error(409, "JOB_LEASE_LOST")
        self.assertEqual(second.finish(anew), "succeeded")

    def test_a_daemon_that_is_silent_loses_its_job(self):
        silent, other = self.daemon(name="silent"), self.daemon(name="other")
        self.push(silent)
        job = silent.take()
        self.assertEqual(wait_until(lambda: other.take(wait_ms=5_000), "the job is given to another")["id"], job["id"])

    def test_a_daemon_of_another_key_cannot_touch_a_job(self):
        holder, stranger = self.daemon(name="holder"), self.daemon(name="stranger")
        self.push(holder)
        job = holder.take()
        body = {"fence": job["fence"], "templateImport": IMPORTED, "timings": []}
        stranger.ask(f"jobs/{job['id']}/complete", body).expect_error(409, "JOB_LEASE_LOST")
        self.assertEqual(holder.finish(job), "succeeded")

    # RUN-16
    def test_a_job_goes_on_though_its_hub_is_killed(self):
        daemon = self.daemon()
        queued = self.push(daemon)
        job = daemon.take()
        daemon.log(job, ["before"], 0)
        self.hub.kill()
        self.hub.start()
        self.assertEqual(daemon.log(job, ["before", "after"], 0)["nextLog"], 2)
        self.assertEqual(daemon.finish(job), "succeeded")
        self.hub.await_completed(queued["runId"])

    # ---- how it ends

    # RUN-13
    def test_a_job_is_completed_once_however_often_that_is_said(self):
        daemon = self.daemon()
        self.push(daemon)
        job = daemon.take()
        self.assertEqual([daemon.finish(job), daemon.finish(job)], ["succeeded", "succeeded"])
        body = {
            "fence": job["fence"], "code": "LATE", "errorClass": "user", "message": "", "cancelled": False,
            "resources": [], "timings": [],
        }  # fmt: skip
        daemon.ask(f"jobs/{job['id']}/fail", body).expect_error(409, "JOB_ENDED")
        self.assertEqual(self.job(job["id"])["status"], "succeeded")

    # RUN-14
    def test_what_may_pass_is_tried_again(self):
        daemon = self.daemon()
        self.push(daemon)
        for _ in range(2):  # the second pause is long enough to be looked at, however slow we are
            job = daemon.take(wait_ms=50_000)
            self.assertEqual(daemon.fail(job, "REGISTRY_DOWN", "transient")["status"], "pending")
        shown = self.job(job["id"])
        self.assertEqual((shown["pending"]["reason"], shown["error"]["code"]), ("retry", "REGISTRY_DOWN"))
        again = daemon.take(wait_ms=50_000)
        self.assertEqual((again["id"], again["attempt"]), (job["id"], 3))
        self.assertEqual(daemon.fail(again, "TEMPLATE_INVALID", "user")["status"], "failed")

    # RUN-9
    def test_a_job_that_waits_is_cancelled_at_once(self):
        daemon = self.daemon()
        job = self.push(daemon)
        answer = self.hub.post(f"/v1/jobs/{job['id']}/cancel").expect(200)
        self.assertEqual(answer["status"], "cancelled")
        self.assertIsNone(daemon.take())
        self.assertEqual(self.hub.await_run(job["runId"])["status"], "cancelled")
        self.hub.post(f"/v1/jobs/{job['id']}/cancel").expect_error(409, "INVALID_STATE_TRANSITION")

    # RUN-8, RUN-9
    def test_a_daemon_is_told_of_a_cancel_while_it_waits_for_that_and_in_every_answer(self):
        daemon = self.daemon()
        self.push(daemon)
        job = daemon.take()
        wait = {"daemonId": daemon.id, "known": [], "waitMs": 50_000}
        waiting = InThread(lambda: daemon.call("cancellations", wait))
        self.assertEqual(self.hub.post(f"/v1/jobs/{job['id']}/cancel").expect(200)["status"], "running")
        self.assertEqual(waiting.result()["jobs"], [job["id"]])
        self.assertTrue(daemon.update(job)["cancelled"])
        self.assertTrue(daemon.log(job, ["a line"], 0)["cancelled"])
        known = daemon.call("cancellations", {**wait, "known": [job["id"]], "waitMs": 100})
        self.assertEqual(known["jobs"], [job["id"]])
        body = {
            "fence": job["fence"], "code": "CANCELLED", "errorClass": "user", "message": "cancelled", "cancelled": True,
            "resources": [], "timings": [],
        }  # fmt: skip
        self.assertEqual(daemon.ask(f"jobs/{job['id']}/fail", body).expect(200)["status"], "cancelled")

    # ---- logs

    # RUN-10
    def test_a_log_is_read_by_pages_live_and_by_the_command_line(self):
        daemon = self.daemon()
        self.push(daemon)
        job = daemon.take()
        path = f"/v1/jobs/{job['id']}/logs"
        reader = InThread(lambda: read_stream(self.hub, path))
        self.assertEqual(daemon.log(job, ["one", "two"], 0)["nextLog"], 2)
        self.assertEqual(daemon.log(job, ["two", "three"], 1)["nextLog"], 3)
        gap = {"fence": job["fence"], "phase": "plan", "repeatable": False, "firstLog": 9, "logs": [daemon.say("x", 9)]}
        error = daemon.ask(f"jobs/{job['id']}/update", gap).expect_error(409, "LOG_GAP")
        self.assertEqual(error["details"]["nextLog"], 3)
        daemon.finish(job)
        events = reader.result()
        self.assertEqual([kind for kind, _, _ in events], ["log", "log", "log", "end"])
        self.assertEqual([number for _, number, _ in events[:3]], ["0", "1", "2"])
        self.assertIn("succeeded", events[-1][2])
        resumed = read_stream(self.hub, path, last_id=1)
        self.assertEqual([(kind, number) for kind, number, _ in resumed], [("log", "2"), ("end", None)])
        page = self.hub.get(path + "?after=0&limit=1").expect(200)
        self.assertEqual(([line["output"] for line in page["lines"]], page["hasMore"]), (["two"], True))
        printed = self.hub.command("jobs", "logs", job["id"])
        self.assertEqual(printed.stdout.splitlines(), ["==> Planning infrastructure", "one", "two", "three"])
        followed = self.hub.command("jobs", "logs", "--follow", job["id"])
        self.assertEqual((followed.returncode, followed.stdout), (0, printed.stdout))

    # ---- daemons and their keys

    def test_a_daemon_without_a_key_is_refused_and_one_whose_key_went_too(self):
        daemon = self.daemon()
        body = daemon.registration()
        for key in (None, "sld_wrong", self.hub.key):
            self.hub.post("/v1/daemon/register", body, key=key).expect_error(401, "UNAUTHORIZED")
        keys = self.hub.get("/v1/daemon-keys").expect(200)["keys"]
        mine = self.hub.get("/v1/daemons").expect(200)["daemons"]
        key_id = next(d["keyId"] for d in mine if d["id"] == daemon.id)
        self.assertIn(key_id, [key["id"] for key in keys])
        self.hub.delete(f"/v1/daemon-keys/{key_id}").expect(200)
        daemon.ask("acquire", {"daemonId": daemon.id, "token": "t", "waitMs": 0}).expect_error(401, "UNAUTHORIZED")

    def test_a_key_bounds_the_tags_of_its_daemons(self):
        made = self.hub.post("/v1/daemon-keys", {"name": f"k-{uuid.uuid4()}", "tags": {"zone": "a"}}).expect(201)
        daemon = self.daemon(tags={"zone": "a"}, key=made["key"])
        body = daemon.registration(tags={"zone": "b"})
        daemon.ask("register", body).expect_error(400, "TAGS_NOT_ALLOWED")

    def test_a_daemon_of_another_version_is_told_what_to_update(self):
        daemon = self.daemon()
        daemon.ask("register", daemon.registration(apiVersion=0)).expect_error(400, "DAEMON_TOO_OLD")
        daemon.ask("register", daemon.registration(apiVersion=99)).expect_error(400, "HUB_TOO_OLD")

    def test_a_daemon_that_registers_again_replaces_itself(self):
        daemon = self.daemon()
        old = daemon.id
        beside = daemon.ask("register", daemon.registration(instance=str(uuid.uuid4()))).expect(200)["daemonId"]
        daemon.register()
        body = {"daemonId": old, "token": "t", "waitMs": 0, "draining": False}
        daemon.ask("acquire", body).expect_error(409, "DAEMON_UNKNOWN")
        daemon.ask("acquire", {**body, "daemonId": beside}).expect(200)
        listed = self.hub.command("daemons", "list")
        self.assertIn(daemon.id, listed.stdout)
        self.assertNotIn(old, listed.stdout)

    # RUN-18
    def test_jobs_and_daemons_are_counted(self):
        daemon = self.daemon()
        self.push(daemon)
        self.assertEqual(daemon.finish(daemon.take()), "succeeded")
        metrics = self.hub.get("/metrics", key=None).text
        labels = f'provisioner="{self.provisioner}",status="succeeded",type="template_import"'
        self.assertIn(f"slipway_provisioner_job_duration_seconds_count{{{labels}}} 1", metrics)
        for name in ("daemons", "queue_length", "queue_oldest_seconds"):
            self.assertIn(f"slipway_provisioner_{name}{{", metrics)

    def test_others_see_nothing_of_a_job(self):
        job = self.push(self.daemon())
        member = self.hub.post("/v1/api-keys", {"name": "someone", "role": "member"}).expect(201)["key"]
        self.hub.get(f"/v1/jobs/{job['id']}", key=member).expect_error(404, "NOT_FOUND")
        self.hub.get(f"/v1/jobs/{job['id']}/logs", key=member).expect_error(404, "NOT_FOUND")
        self.hub.post(f"/v1/jobs/{job['id']}/cancel", key=member).expect_error(404, "NOT_FOUND")
        self.assertEqual(self.hub.get("/v1/jobs?owner=all", key=member).expect(200), [])


class Unserved(unittest.TestCase):
    """Jobs that no daemon could take for too long (RUN-4)."""

    def test_they_fail_and_those_that_only_wait_do_not(self):
        with Hub(options=["--jobs-pending-max", "1s"]) as hub:
            busy = Daemon(hub, f"busy-{uuid.uuid4().hex[:8]}")
            gone = Daemon(hub, f"gone-{uuid.uuid4().hex[:8]}")
            gone.goodbye()
            busy.push("held", FILES)
            held = busy.acquire()  # which it says now and then
            waits = busy.push("waits", FILES)["run"]["id"]
            fails = gone.push("fails", FILES)["run"]["id"]
            ended = hub.await_run(fails)
            self.assertEqual((ended["status"], ended["error"]["code"]), ("failed", "NO_DAEMON"))
            self.assertTrue(hub.get(f"/v1/jobs?runId={fails}").expect(200)[0]["deadLetter"])
            busy.finish(held)
            job = busy.acquire()
            self.assertEqual((job["runId"], job["attempt"]), (waits, 1))
            busy.finish(job)


class TwoHubs(unittest.TestCase):
    """Any replica answers any call (RUN-2), and the death of one is nothing to a job (RUN-3, RUN-16)."""

    def test_a_job_of_one_hub_wakes_a_daemon_at_the_other_and_outlives_either(self):
        postgres = Postgres()
        self.addCleanup(postgres.close)
        options = ["--database", postgres.url]
        with Hub(options=options) as first:
            other = Hub(options=options, started=False)
            other.data.mkdir(parents=True)
            shutil.copy2(first.data / "seal.key", other.data / "seal.key")  # they share what is sealed
            with other as second:
                second.start()
                second._key = first.key  # the administrator of both
                daemon = Daemon(first)
                here, there = daemon.hub, second
                daemon.hub = there
                waiting = InThread(lambda: daemon.take(wait_ms=50_000))
                pusher = Daemon(here, provisioner=daemon.provisioner, name="pusher")
                run = pusher.push("two", FILES)["run"]["id"]
                job = waiting.result()
                self.assertIsNotNone(job)
                reader = InThread(lambda: read_stream(there, f"/v1/jobs/{job['id']}/logs"))
                daemon.hub = here
                daemon.log(job, ["at the first"], 0)
                here.kill()
                daemon.hub = there
                self.assertEqual(daemon.log(job, ["at the first", "at the second"], 0)["nextLog"], 2)
                self.assertEqual(daemon.finish(job), "succeeded")
                self.assertEqual([kind for kind, _, _ in reader.result()], ["log", "log", "end"])
                there.await_completed(run)
                here.start()


if __name__ == "__main__":
    unittest.main()
