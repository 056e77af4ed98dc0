"""A rolling upgrade (RUN-16): builds run on two daemons and two hubs over one PostgreSQL, behind a load balancer. Both hubs
are restarted one after the other, then both daemons are replaced; no build notices."""

import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub, wait_until  # noqa: E402
from support.played_daemon import PlayedDaemon  # noqa: E402
from support.postgres import Postgres  # noqa: E402
from support.provisionerd import ProvisionerdOf  # noqa: E402
from support.scripted_builds import ScriptedBuilds  # noqa: E402
from support.tcp_proxy import TcpProxy  # noqa: E402

RUNNERS = 2


class Upgrade(ScriptedBuilds, unittest.TestCase):
    def setUp(self):
        postgres = Postgres()
        self.addCleanup(postgres.close)
        options = ["--database", postgres.url]
        self.first = self.enterContext(Hub(options=options))
        second = Hub(options=options, started=False)
        second.data.mkdir(parents=True)
        shutil.copy2(self.first.data / "seal.key", second.data / "seal.key")  # they share what is sealed
        self.second = self.enterContext(second)
        second.start()
        second._key = self.first.key  # the administrator of both
        self.key = self.first.post("/v1/daemon-keys", {"name": "builders"}).expect(201)["key"]
        self.balancer = self.enterContext(TcpProxy(self.first.port, second.port))

    def daemon(self):
        """All have one name and one key, as units of one machine do."""
        daemon = ProvisionerdOf(self.first, url=self.balancer.url, runners=RUNNERS)
        daemon.words[daemon.words.index("--name") + 1] = "builder"
        (daemon.folder / "key").write_text(self.key)
        self.addCleanup(daemon.__exit__, None, None, None)
        daemon.start()
        return daemon

    def begin(self, count, pace):
        """Builds that are half way: the run, the job and the world of each."""
        begun = []
        for _ in range(count):
            template, world = self.push(self.first, pace)
            begun.append((self.create(self.first, template), world))
        return [(run, self.await_half(self.first, run), world) for run, world in begun]

    def check(self, builds):
        for run, job, world in builds:
            self.first.await_completed(run)
            self.assertEqual(self.job(self.first, job)["attempt"], 1, self.job(self.first, job))
            self.assert_made_once(world)
            numbers = [line["number"] for line in self.lines(self.first, job)]
            self.assertEqual(numbers, list(range(len(numbers))), "no line is lost or doubled")

    # A daemon that was made for another version of the hub is among them.
    def test_no_build_notices_that_its_hub_or_its_daemon_is_replaced(self):
        old = [self.daemon(), self.daemon()]
        other = self.enterContext(PlayedDaemon(self.second))
        other.push_template("other", {"main.tf": "# nothing"})
        held = other.build("other", "other")
        self.assertEqual({each["version"] == "0" for each in self.daemons()}, {True, False})

        builds = self.begin(2 * RUNNERS, pace="20s")
        for hub in (self.first, self.second):
            other.hub = self.first if hub is self.second else self.second
            self.assertEqual(hub.stop(), 0)
            other.update(held, "apply")
            hub.start()
        other.complete_build(held)
        for daemon in old:
            self.daemon()
            daemon.signal()
            wait_until(lambda daemon=daemon: "draining" in daemon.log(), "it drains")
        builds += self.begin(1, pace="0s")  # the new ones take what comes meanwhile
        for daemon in old:
            self.assertEqual(daemon.await_end(), 0, daemon.log())
        self.check(builds)

    def daemons(self):
        return self.first.get("/v1/daemons").expect(200)["daemons"]


if __name__ == "__main__":
    unittest.main()
