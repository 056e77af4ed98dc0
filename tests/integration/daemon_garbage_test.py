"""What a daemon's routes do with garbage: a refusal that names the field, whoever holds a job keeps it, and never a 500.

The seed is printed; SLIPWAY_SEED repeats it."""

import os
import pathlib
import random
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub  # noqa: E402
from support.played_daemon import PlayedDaemon  # noqa: E402

SEED = int(os.environ.get("SLIPWAY_SEED", random.randrange(1 << 32)))
FILES = {"main.tf": "# nothing"}
HUGE = 10**30
NUL = "a\0b"
IMPORTED = {"startResources": [], "stopResources": [], "startDailyCost": 0, "stopDailyCost": 0}


class Garbage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub().__enter__()
        cls.addClassCleanup(cls.hub.__exit__, None, None, None)

    def setUp(self):
        self.daemon = PlayedDaemon(self.hub, f"played-{uuid.uuid4().hex[:8]}")
        self.addCleanup(self.daemon.__exit__, None, None, None)
        self.daemon.push(f"t-{uuid.uuid4().hex[:8]}", FILES)
        self.job = self.daemon.acquire()
        self.addCleanup(self.check_that_the_job_is_ours)

    def check_that_the_job_is_ours(self):
        self.assertTrue(self.hub.is_running(), self.hub.log_tail())
        self.assertEqual(self.daemon.complete(self.job, templateImport=IMPORTED)["status"], "succeeded")

    def ask(self, path, body, **options):
        return self.hub.post(f"/v1/daemon/{path}", body, key=self.daemon.key, **options)

    def ask_job(self, verb, body):
        return self.ask(f"jobs/{self.job['id']}/{verb}", body)

    def line(self, **members):
        return {"source": "provisioner", "level": "info", "stage": "s", "at": "2026-01-01T00:00:00.000Z", "output": "o",
                **members}  # fmt: skip

    def bodies(self):
        """A good body of each call: nothing of it would end the job but by `complete` and `fail`."""
        fence = self.job["fence"]
        job = f"jobs/{self.job['id']}"
        resource = {"address": "a.b", "type": "a", "name": "b", "action": "create", "dailyCost": 1, "details": {}}
        return {
            "register": {"name": "n", "version": "0", "apiVersion": 1, "provisioners": ["p"], "tags": {}, "runners": 1},
            "acquire": {"daemonId": self.daemon.id, "token": "t", "waitMs": 0, "draining": True},
            "cancellations": {"daemonId": self.daemon.id, "known": [], "waitMs": 0},
            "goodbye": {"daemonId": "dmn_nobody"},
            f"{job}/update": {"fence": fence, "phase": "plan", "repeatable": False, "firstLog": 0, "logs": [self.line()],
                              "parsed": {"variables": [], "parameters": [], "readme": "", "tags": {}}},
            f"{job}/commit-quota": {"fence": fence, "dailyCost": 1},
            f"{job}/complete": {"fence": fence, "timings": [], "templateImport": {**IMPORTED, "startResources": [resource]}},
            f"{job}/fail": {"fence": fence, "code": "C", "errorClass": "user", "message": "m", "cancelled": False,
                            "resources": [resource], "timings": []},
        }  # fmt: skip

    def refused(self, answer, field, code="VALIDATION_ERROR"):
        error = answer.expect_error(400, code)
        self.assertEqual(error["details"]["field"], field, error)
        self.assertTrue(error["message"])

    # ---- each member

    def test_a_member_of_the_wrong_type_is_refused_by_its_name(self):
        for path, body in self.bodies().items():
            for member, good in body.items():
                for value in (HUGE, [[]], [None], *([] if isinstance(good, dict) else [{}])):
                    with self.subTest(path=path, member=member, value=value):
                        answer = self.ask(path, {**body, member: value})
                        error = answer.expect_error(400, "VALIDATION_ERROR")
                        self.assertEqual(error["details"]["field"].split("/")[0], member, error)

    def test_huge_and_negative_numbers_are_refused_by_their_name(self):
        for number in (HUGE, -HUGE, 2**63, 1.5, "1", None):
            with self.subTest(number=number):
                self.refused(self.ask_job("update", {"fence": number}), "fence")
        for verb in ("update", "commit-quota", "complete", "fail"):
            body = self.bodies()[f"jobs/{self.job['id']}/{verb}"]
            for fence in (-1, 0, self.job["fence"] + 1, 2**63 - 1, -(2**63)):
                with self.subTest(verb=verb, fence=fence):
                    self.ask_job(verb, {**body, "fence": fence}).expect_error(409, "JOB_LEASE_LOST")

    def test_a_cost_below_nothing_is_refused(self):
        other = PlayedDaemon(self.hub, f"played-{uuid.uuid4().hex[:8]}")
        self.addCleanup(other.__exit__, None, None, None)
        template = f"t-{uuid.uuid4().hex[:8]}"
        other.push_template(template, FILES)
        job = other.build(template, template)
        for cost in (-1, -(2**63)):
            with self.subTest(cost=cost):
                body = {"fence": job["fence"], "dailyCost": cost}
                answer = self.hub.post(f"/v1/daemon/jobs/{job['id']}/commit-quota", body, key=other.key)
                self.refused(answer, "dailyCost")

    def test_runners_that_cannot_be_are_refused(self):
        body = self.bodies()["register"]
        for runners in (0, -1, 2**40):
            with self.subTest(runners=runners):
                self.refused(self.ask("register", {**body, "runners": runners}), "runners")
        for name in ("", "x" * 10_000, NUL):
            with self.subTest(name=name[:10]):
                self.refused(self.ask("register", {**body, "name": name}), "name")

    def test_waits_that_cannot_be_are_refused(self):
        for path in ("acquire", "cancellations"):
            body = self.bodies()[path]
            for wait in (-1, -(2**62), HUGE):
                with self.subTest(path=path, wait=wait):
                    self.refused(self.ask(path, {**body, "waitMs": wait}), "waitMs")

    # ---- lines

    def test_lines_out_of_order_are_refused_and_nothing_of_them_is_kept(self):
        body = {"fence": self.job["fence"], "phase": "plan", "repeatable": False}
        first = {**body, "firstLog": 0, "logs": [self.line(output="zero"), self.line(output="one")]}
        self.assertEqual(self.ask_job("update", first).expect(200)["nextLog"], 2)
        for number in (3, 2**62):
            with self.subTest(number=number):
                gap = {**body, "firstLog": number, "logs": [self.line(output="two")]}
                error = self.ask_job("update", gap).expect_error(409, "LOG_GAP")
                self.assertEqual(error["details"]["nextLog"], 2)
        for number in (-1, -5, -(2**63)):
            with self.subTest(number=number):
                early = {**body, "firstLog": number, "logs": [self.line(output="early")]}
                self.refused(self.ask_job("update", early), "firstLog")
        self.assertEqual([line["output"] for line in self.log()], ["zero", "one"])

    def test_lines_with_nul_and_control_characters_are_refused_or_kept(self):
        body = {"fence": self.job["fence"], "phase": "plan", "repeatable": False, "firstLog": 0}
        for output in (NUL, "\x1b[31mred\x1b[0m", "\ufffe", "\r\n", "😀" * 10):
            with self.subTest(output=output.encode()):
                answer = self.ask_job("update", {**body, "logs": [self.line(output=output)]})
                self.assertIn(answer.status, (200, 400), answer.text)
                if answer.status == 400:
                    self.assertIn("output", answer.error["details"]["field"])
        self.hub.get(f"/v1/jobs/{self.job['id']}/logs").expect(200)

    def test_a_line_that_is_none_is_refused_by_its_place(self):
        body = {"fence": self.job["fence"], "phase": "plan", "repeatable": False, "firstLog": 0}
        for wrong in ({"level": "loud"}, {"source": "moon"}, {"at": "yesterday"}, {"output": 7}):
            with self.subTest(wrong=wrong):
                answer = self.ask_job("update", {**body, "logs": [self.line(), self.line(**wrong)]})
                self.refused(answer, f"logs/1/{next(iter(wrong))}")
        self.assertEqual(self.log(), [])

    def log(self):
        return self.hub.get(f"/v1/jobs/{self.job['id']}/logs").expect(200)["lines"]

    # ---- states

    def test_a_state_under_a_fence_that_is_none_is_refused(self):
        path = f"/v1/daemon/jobs/{self.job['id']}/state"
        for fence in ("", "-", "one", "1e3", "-1", "99999999999999999999999", "%00"):
            with self.subTest(fence=fence):
                answer = self.hub.put(f"{path}?fence={fence}", b"x", key=self.daemon.key)
                self.refused(answer, "fence")
        answer = self.hub.put(f"{path}?fence={self.job['fence'] + 1}", b"x", key=self.daemon.key)
        answer.expect_error(409, "JOB_LEASE_LOST")

    # ---- the end

    # RUN-13
    def test_an_outcome_that_is_none_or_several_leaves_the_job_as_it_is(self):
        fence = {"fence": self.job["fence"], "timings": []}
        for outcome in ({}, {"build": {"resources": [], "outputs": {}}}, {"templateImport": IMPORTED, "dryRun": {}}):
            with self.subTest(outcome=outcome):
                self.assertEqual(self.ask_job("complete", {**fence, **outcome}).status, 400)
        self.assertEqual(self.hub.get(f"/v1/jobs/{self.job['id']}").expect(200)["status"], "running")

    def test_a_job_that_never_was_is_not_there(self):
        for job in ("job_nobody", "..%2f..", "%00", "x" * 5_000, "💥".encode().hex()):
            with self.subTest(job=job[:20]):
                answer = self.ask(f"jobs/{job}/commit-quota", {"fence": 1, "dailyCost": 1})
                self.assertIn(answer.status, (400, 404, 409, 414, 431), answer.text)

    # ---- noise

    def test_random_bytes_are_refused_everywhere(self):
        print(f"seed {SEED}", flush=True)
        choice = random.Random(SEED)
        for path, body in self.bodies().items():
            for size in (0, 1, 100, 70_000):
                with self.subTest(path=path, size=size):
                    self.ask(path, choice.randbytes(size)).expect_error(400, "VALIDATION_ERROR")

    def test_bodies_with_something_broken_in_them_never_break_the_hub(self):
        print(f"seed {SEED}", flush=True)
        choice = random.Random(SEED)
        paths = [path for path in self.bodies() if not path.endswith(("/complete", "/fail", "register", "goodbye"))]
        for _ in range(300):
            path = choice.choice(paths)
            body = self.bodies()[path]
            self.spoil(body, choice)
            answer = self.ask(path, body)
            self.assertIn(answer.status, (200, 400, 404, 409, 413), f"{path} {body!r}: {answer.text}")

    def spoil(self, body, choice):
        """Puts something wild in a random place of it."""
        wild = (None, True, -1, HUGE, 1e308, "", NUL, "x" * 100_000, [], {}, [[[]]], {"": {"": None}})
        at = body
        while True:
            key = choice.choice(list(at) if isinstance(at, dict) else range(len(at)))
            if not isinstance(at[key], (dict, list)) or not at[key] or choice.random() < 0.3:
                at[key] = choice.choice(wild)
                return
            at = at[key]


if __name__ == "__main__":
    unittest.main()
