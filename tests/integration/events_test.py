"""The live stream of everything a caller may see: filters, resuming, pages; over restarts and to another hub (WF-44)."""

import http.client
import json
import pathlib
import shutil
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402
from support.played_daemon import PlayedDaemon  # noqa: E402
from support.postgres import Postgres  # noqa: E402
from support.receiver import Receiver  # noqa: E402


class Stream:
    """Server-sent events of one request, read on a thread of their own."""

    def __init__(self, hub, query="", last_event_id=None, key=None):
        headers = {"Authorization": f"Bearer {key or hub.key}", "Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        self.events = []
        self.ended = threading.Event()
        self._connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
        self._connection.request("GET", "/v1/events" + query, headers=headers)
        self.response = self._connection.getresponse()
        threading.Thread(target=self._read, daemon=True).start()
        wait_until(lambda: self.events, "the stream says hello")

    def _read(self):
        event = {}
        try:
            for line in self.response:
                line = line.decode().rstrip("\r\n")
                if not line:
                    if "data" in event:
                        self.events.append({**event, "data": json.loads(event["data"])})
                    event = {}
                elif not line.startswith(":"):
                    name, _, value = line.partition(":")
                    event[name] = value.removeprefix(" ")
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass
        self.ended.set()

    @property
    def changes(self):
        return [event["data"] for event in self.events if event["event"] not in ("hello", "reset")]

    def await_end_of(self, run):
        ends = ("run.completed", "run.failed", "run.cancelled")
        wait_until(lambda: any(c["type"] in ends and c["resource_id"] == run for c in self.changes), "the run's end is told")

    def close(self):
        self._connection.close()


def make(hub, name, key=None):
    answer = hub.post("/v1/workspaces", {"name": name}, **({"key": key} if key else {}))
    return answer.expect(202)


def page(hub, query, key=None):
    headers = {"Accept": "application/json"}
    return hub.get("/v1/events" + query, headers=headers, **({"key": key} if key else {}))


class EventsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = cls.enterClassContext(Hub())

    def test_runs_and_workspaces_are_told_and_filters_choose_among_them(self):
        everything, runs = Stream(self.hub), Stream(self.hub, "?types=run.*")
        ends = Stream(self.hub, "?types=run.completed,run.failed")
        made = make(self.hub, "told")
        about = Stream(self.hub, f"?resourceId={made['workspace']['id']}", last_event_id=everything.events[0]["id"])
        other = Stream(self.hub, "?resourceId=run_of_nobody")
        run = made["run"]["id"]
        for stream in (everything, runs, ends, about):
            stream.await_end_of(run)
        types = lambda stream: {c["type"] for c in stream.changes}  # noqa: E731
        wanted = {"workspace.created", "workspace.updated", "run.started", "run.completed"}
        wait_until(lambda: wanted <= types(everything), "everything is told")
        self.assertEqual(types(runs), {"run.started", "run.completed"})
        self.assertEqual(types(ends), {"run.completed"})
        # The hub has runs of its own.
        is_about_it = lambda c: made["workspace"]["id"] in (c["resource_id"], c["data"].get("resourceId"))  # noqa: E731
        numbers = lambda changes: [c["seq"] for c in changes]  # noqa: E731
        wait_until(lambda: numbers(about.changes) == numbers(filter(is_about_it, everything.changes)), "both tell the same")
        self.assertEqual(other.changes, [])
        end = next(c["data"] for c in ends.changes if c["resource_id"] == run)
        self.assertEqual((end["id"], end["status"], end["resourceId"]), (run, "completed", made["workspace"]["id"]))
        shown = self.hub.run(run)
        self.assertEqual((end["startedAt"], end["durationMs"]), (shown["startedAt"], shown["durationMs"]))

    def test_a_member_hears_only_of_what_is_theirs(self):
        member = self.hub.post("/v1/api-keys", {"name": "guest", "role": "member"}).expect(201)["key"]
        theirs = Stream(self.hub, key=member)
        mine = Stream(self.hub)
        run = make(self.hub, "not-theirs")["run"]["id"]
        mine.await_end_of(run)
        own = make(self.hub, "theirs", key=member)["run"]["id"]
        theirs.await_end_of(own)
        self.assertNotIn(run, {c["resource_id"] for c in theirs.changes})
        self.assertNotIn(run, {c["resource_id"] for c in page(self.hub, "?limit=500", key=member).expect(200)["changes"]})

    def test_a_stream_ends_with_the_key_that_opened_it(self):
        guest = self.hub.post("/v1/api-keys", {"name": "leaving", "role": "member"}).expect(201)
        theirs = Stream(self.hub, key=guest["key"])
        self.hub.delete("/v1/api-keys/" + guest["id"]).expect(200)
        self.assertTrue(theirs.ended.wait(60), "the stream goes on without its key")

    def test_pages_give_every_change_once(self):
        run = make(self.hub, "paged")["run"]["id"]
        whole = lambda: page(self.hub, "?limit=500").expect(200)["changes"]  # noqa: E731
        # The feed is read a moment after the run's end is seen.
        wait_until(lambda: ("run.completed", run) in [(c["type"], c["resource_id"]) for c in whole()], "its end is told")
        expected = whole()
        seen, after = [], 0
        while True:
            part = page(self.hub, f"?after={after}&limit=2").expect(200)
            seen += part["changes"]
            after = part["next"]
            if not part["hasMore"]:
                break
        self.assertEqual(seen[: len(expected)], expected)
        seen += page(self.hub, f"?after={after}").expect(200)["changes"]
        numbers = [c["seq"] for c in seen]
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_a_reader_whose_place_is_unknown_is_told_to_begin_anew(self):
        stream = Stream(self.hub, last_event_id=10**12)
        wait_until(lambda: len(stream.events) >= 2, "it is told")
        self.assertEqual([e["event"] for e in stream.events[:2]], ["hello", "reset"])
        run = make(self.hub, "after-reset")["run"]["id"]
        stream.await_end_of(run)  # and goes on live
        self.assertTrue(page(self.hub, f"?after={10**12}").expect(200)["reset"])
        again = Stream(self.hub, last_event_id=stream.events[0]["id"])
        again.await_end_of(run)
        self.assertNotIn("reset", [e["event"] for e in again.events])

    def test_what_cannot_be_asked_for_is_refused_in_words(self):
        for query in ("?types=no.such", "?types=", "?format=xml", "?after=-1", "?limit=0", "?other=1"):
            page(self.hub, query).expect_error(400, "VALIDATION_ERROR")

    def test_nothing_is_missed_over_a_restart(self):
        with Hub() as hub:
            first = Stream(hub)
            run = make(hub, "before")["run"]["id"]
            first.await_end_of(run)
            last = first.changes[0]["seq"]
            missed = make(hub, "meanwhile")["run"]["id"]
            hub.kill()
            hub.start()
            hub.await_completed(missed)
            again = Stream(hub, last_event_id=last)
            again.await_end_of(missed)
            seen = [c["seq"] for c in again.changes]  # before the page, which may have more by now
            whole = [c["seq"] for c in page(hub, f"?after={last}&limit=500").expect(200)["changes"]]
            self.assertEqual(seen, whole[: len(seen)])
            self.assertIn(missed, {c["resource_id"] for c in again.changes if c["type"] == "run.started"})


class TwoHubs(unittest.TestCase):
    def test_a_reader_that_goes_from_hub_to_hub_misses_nothing(self):
        postgres = Postgres()
        self.addCleanup(postgres.close)
        options = ["--database", postgres.url]
        with Hub(options=options) as first:
            other = Hub(options=options, started=False)
            other.data.mkdir(parents=True)
            shutil.copy2(first.data / "seal.key", other.data / "seal.key")  # they share what is sealed
            with other as second:
                second.start()
                key = first.key
                stream = Stream(first)
                start = stream.events[0]["id"]
                seen, runs = [], []
                for turn in range(6):
                    made = first.post("/v1/workspaces", {"name": f"turn-{turn}"}).expect(202)
                    runs.append(made["run"]["id"])
                    hub = (second, first)[turn % 2]
                    stream.close()
                    events = list(stream.events)  # what still arrives is told again
                    seen += [event["data"] for event in events if event["event"] != "hello"]
                    place = events[-1]["id"]
                    stream = Stream(hub, last_event_id=place, key=key)
                for run in runs:
                    first.await_completed(run)
                wait_until(lambda: self.has_all(first, start, runs, seen + stream.changes), "every change was told once, in order")

    def has_all(self, hub, start, runs, told):
        whole = page(hub, f"?after={start}&limit=500").expect(200)["changes"]
        ended = {change["resource_id"] for change in whole if change["type"] == "run.completed"}
        return set(runs) <= ended and [change["seq"] for change in told] == [change["seq"] for change in whole]


class Builds(unittest.TestCase):
    """What becomes of the builds of a workspace (RUN-13) is told to streams, pages and endpoints alike."""

    def test_a_build_is_told_from_its_beginning_to_its_end(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        hub = self.enterContext(Hub(options=["--webhook-allow-private"]))
        daemon = self.enterContext(PlayedDaemon(hub))
        daemon.push_template("t", {"main.tf": "# nothing"})
        hub.post("/v1/webhooks", {"url": receiver.url(), "eventTypes": ["build.*"], "ordered": True}).expect(201)
        stream = Stream(hub, "?types=build.updated")
        self.addCleanup(stream.close)

        made = daemon.build("t", "told")
        daemon.complete_build(made)
        path = f"/v1/workspaces/{made['workspace']}"
        hub.post(path + "/stop").expect(202)
        stopped = daemon.acquire()
        daemon.fail(stopped)
        hub.await_run(stopped["runId"])

        builds = {build["number"]: build["id"] for build in hub.get(path + "/builds").expect(200)}
        expected = [
            {"id": builds[number], "workspaceId": made["workspace"], "number": number, "transition": transition, "status": status}
            for number, transition, end in ((1, "start", "succeeded"), (2, "stop", "failed"))
            for status in ("pending", "running", end)
        ]
        wait_until(lambda: len(stream.changes) >= len(expected), "the stream tells it")
        self.assertEqual([change["data"] for change in stream.changes], expected)
        self.assertEqual([change["resource_id"] for change in stream.changes], [each["id"] for each in expected])
        pages = page(hub, "?types=build.updated&limit=500").expect(200)["changes"]
        self.assertEqual([change["data"] for change in pages], expected)
        wait_until(lambda: len(receiver.got()) >= len(expected), "the endpoint is told")
        # One build's messages come in order; those of two may overtake each other.
        told = sorted((message.json["data"] for message in receiver.got()), key=lambda build: build["number"])
        self.assertEqual(told, expected)
        self.assertEqual({message.json["type"] for message in receiver.got()}, {"build.updated"})


if __name__ == "__main__":
    unittest.main()
