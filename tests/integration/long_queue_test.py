"""Thousands of jobs in line (RUN-4, RUN-5): listed by pages, each can say why it waits, and taken in fair turns.

SLIPWAY_QUEUE_JOBS: how many (default 2,000)."""

import concurrent.futures
import itertools
import os
import pathlib
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub  # noqa: E402
from support.played_daemon import PlayedDaemon  # noqa: E402
from support.postgres import Postgres  # noqa: E402

JOBS = int(os.environ.get("SLIPWAY_QUEUE_JOBS", "2000"))
CALLERS = 8
LATE = 5  # jobs of whoever comes when the line is long
PAGE = 200


class LongQueue(unittest.TestCase):
    @classmethod
    def options(cls):
        return ()

    @classmethod
    def setUpClass(cls):
        cls.hub = cls.enterClassContext(Hub(options=cls.options()))
        cls.daemon = cls.enterClassContext(PlayedDaemon(cls.hub))
        cls.daemon.push_template("t", {"main.tf": "# nothing"})
        cls.early, cls.late = cls.member("early"), cls.member("late")
        # Of requests that overlap nobody can say which came first: those that are taken come one after another.
        first = [cls.ask(cls.early) for _ in range(4 * LATE)]
        with concurrent.futures.ThreadPoolExecutor(CALLERS) as callers:
            cls.line = {*first, *callers.map(lambda _: cls.ask(cls.early), range(JOBS - len(first)))}

    @classmethod
    def member(cls, name):
        return cls.hub.post("/v1/api-keys", {"name": name, "role": "member"}).expect(201)

    @classmethod
    def ask(cls, who):
        """A dry-run; gives its job."""
        path = "/v1/templates/t/versions/v1/dry-run"
        return cls.hub.post(path, {}, key=who["key"]).expect(202)["dryRun"]["jobId"]

    def take(self):
        body = {"daemonId": self.daemon.id, "token": str(uuid.uuid4()), "waitMs": 0, "draining": False}
        return self.daemon.call("acquire", body)["job"]

    def finish(self, job):
        self.assertEqual(self.daemon.complete(job, dryRun={"resources": [], "dailyCost": 0})["status"], "succeeded")

    def pages(self):
        cursor = ""
        while True:
            answer = self.hub.get(f"/v1/jobs?owner=all&status=pending&limit={PAGE}{cursor}")
            yield answer.expect(200)
            following = answer.json["meta"]["pagination"].get("nextCursor")
            if not following:
                return
            cursor = f"&cursor={following}"

    def test_pages_hold_each_job_once(self):
        listed = [job["id"] for job in itertools.chain.from_iterable(self.pages())]
        self.assertEqual(len(listed), len(set(listed)))
        self.assertLessEqual(self.line - self.gone(), set(listed))

    def gone(self):
        return {job["id"] for job in self.hub.get("/v1/jobs?owner=all&status=succeeded&limit=200").expect(200)}

    # RUN-4
    def test_the_last_one_says_why_it_waits_and_how_many_are_ahead(self):
        job = self.ask(self.early)
        pending = self.hub.get(f"/v1/jobs/{job}", key=self.early["key"]).expect(200)["pending"]
        self.assertTrue(pending["explanation"])
        self.assertGreaterEqual(pending["ahead"], JOBS - 10 * LATE)
        self.assertTrue(self.hub.get(f"/v1/why/{job}", key=self.early["key"]).expect(200)["because"])

    # RUN-5
    def test_who_comes_late_waits_for_turns_and_not_for_the_line(self):
        late = [self.ask(self.late) for _ in range(LATE)]
        taken = [self.take() for _ in range(2 * LATE + 2)]
        self.assertLessEqual(set(late), {job["id"] for job in taken})
        for job in taken:
            self.finish(job)
        self.assertEqual(len({job["id"] for job in taken}), len(taken))

    def test_jobs_of_one_owner_are_taken_in_the_order_in_which_they_came(self):
        taken = [self.take() for _ in range(LATE)]
        for job in taken:
            self.finish(job)
        left = {job["id"] for page in self.pages() for job in page}
        self.assertTrue(all(job["id"] < other for job in taken for other in left & self.line))


class LongQueueOnPostgres(LongQueue):
    @classmethod
    def options(cls):
        postgres = Postgres()
        cls.addClassCleanup(postgres.close)
        return ["--database", postgres.url]


if __name__ == "__main__":
    unittest.main()
