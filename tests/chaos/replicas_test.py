#!/usr/bin/env python3
"""Three replicas over a PostgreSQL primary with a synchronous standby, and everything that can happen to them.

Real processes: each replica of the engine (chaos_engine) lives in a network of its own, behind a proxy that cuts where
it hurts. Clients start and cancel runs and repeat what was not answered; a nemesis kills, pauses, cuts, slows down and
fails over. Then all but one replica stand still for good, and that one must end every run. When all has healed there is a
calm in which nothing may be done twice for whatever reason. At last the checker compares what the clients were told, what
the journals say, what the outside counted, and what the programs should have come to.

SLIPWAY_CHAOS_SECONDS: for how long things go wrong (default 60). SLIPWAY_SEED: repeats the same choices (not the same
interleaving). SLIPWAY_CHAOS_ENGINE: the program (default: that of build/debug).
"""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from checker import Checker  # noqa: E402
from nemesis import Nemesis  # noqa: E402
from support.effects import Effects  # noqa: E402
from support.engine_replica import ENGINE, EngineReplica  # noqa: E402
from support.hub import wait_until  # noqa: E402
from support.network import Cell, enter_own_network  # noqa: E402
from support.postgres import DATABASE, USER, PostgresPair  # noqa: E402
from support.postgres_proxy import Proxy  # noqa: E402

SECONDS = float(os.environ.get("SLIPWAY_CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("SLIPWAY_SEED", random.randrange(1 << 32)))
REPLICAS = 3
CLIENTS = 12
ANSWER_S = 3  # a client asks somebody else after that
CALM_RUNS = 40
STUCK_S = 60  # nothing has moved for so long: it is stuck

TABLES = """
    CREATE TABLE chaos_requests (key TEXT PRIMARY KEY, run_id TEXT NOT NULL);
    CREATE TABLE chaos_counts (run_id TEXT NOT NULL, number BIGINT NOT NULL);
    CREATE TABLE chaos_bad_ends (run_id TEXT NOT NULL, status TEXT NOT NULL);
"""


class Site:
    """Where one replica lives, and how it finds its database: by a proxy that is led to the primary, or by the names of
    both servers, each behind a proxy of its own."""

    def __init__(self, number, databases, effects, folder, apart, seed):
        self.name = f"replica{number}"
        self.cell = Cell(number) if apart else None
        address = self.cell.outer_address if apart else "127.0.0.1"
        servers = [databases.primary, databases.standby]
        self.knows_both = number == 0
        targets = servers if self.knows_both else servers[:1]
        self.proxies = [Proxy(("127.0.0.1", server.port), seed + i) for i, server in enumerate(targets)]
        hosts = ",".join(f"{address}:{proxy.port}" for proxy in self.proxies)
        url = f"postgres://{USER}@{hosts}/{DATABASE}?target_session_attrs=read-write"
        self.replica = EngineReplica(self.name, url, effects.path, folder, self.cell.enter if apart else ())

    def follow(self, server):
        if not self.knows_both:
            self.proxies[0].lead_to(("127.0.0.1", server.port))

    def set_faults(self, chances):
        for proxy in self.proxies:
            proxy.set_faults(**chances)

    def set_silent(self, silent):
        for proxy in self.proxies:
            proxy.set_silent(silent)

    def set_delay(self, seconds):
        for proxy in self.proxies:
            proxy.set_delay(seconds)

    def cut_connections(self):
        for proxy in self.proxies:
            proxy.cut()

    def cut_network(self):
        if self.cell:
            self.cell.cut()
        else:
            self.set_silent(True)

    def mend_network(self):
        if self.cell:
            self.cell.mend()
        else:
            self.set_silent(False)

    def close(self):
        self.replica.kill()
        for proxy in self.proxies:
            proxy.close()
        if self.cell:
            self.cell.close()


class Client(threading.Thread):
    """Starts runs and cancels some. What is not answered it asks again, of anybody, until it is."""

    def __init__(self, name, sites, seed):
        super().__init__(name=name, daemon=True)
        self.sites = sites
        self.random = random.Random(seed)
        self.acknowledged = {}
        self.cancelled = set()  # the wish was uttered; perhaps nobody heard it
        self.programs = {}
        self.failure = None
        self.resting = threading.Event()

    def run(self):
        try:
            while not self.resting.wait(self.random.uniform(0, 0.3)):
                self.start_one()
        except BaseException as error:  # told to the test
            self.failure = error

    def start_one(self):
        key = f"{self.name}-{len(self.acknowledged)}"
        seed, length = self.random.getrandbits(40), self.random.randrange(1, 13)
        self.programs[key] = (seed, length)
        run = self.insist(f"start {key} {seed} {length}", key)[2]
        self.acknowledged[key] = run
        if self.random.random() < 0.1:
            again = self.insist(f"start {key} {seed} {length}", key)[2]
            if again != run:
                raise AssertionError(f"{key} was told {run}, and then {again}")
        if self.random.random() < 0.1:
            self.resting.wait(self.random.uniform(0, 1))
            self.cancelled.add(run)
            self.ask(f"cancel {run}", run)

    def insist(self, question, subject):
        def ask():
            answer = self.ask(question, subject)
            if answer and answer[0] == "refused" and answer[2] not in TRY_AGAIN:
                raise AssertionError(f"{question}: {' '.join(answer)}")
            if answer and answer[0] != "refused":
                return answer
            return None

        return wait_until(ask, f"an answer to {question}", patience_s=300)

    def ask(self, question, subject):
        return self.random.choice(self.sites).replica.ask(question, f"{subject}", ANSWER_S)


# Somebody else, or later.
TRY_AGAIN = ("STORE_UNAVAILABLE", "STORE_BUSY", "STORE_OUTCOME_UNKNOWN", "REPLICA_FENCED", "SHUTTING_DOWN")


class Replicas(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.apart = enter_own_network()
        print(f"seed {SEED}, networks {'of their own' if self.apart else 'shared: this user cannot make any'}", flush=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-chaos-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.databases = PostgresPair()
        self.addCleanup(self.databases.close)
        self.databases.primary.execute(TABLES)
        self.effects = Effects(self.folder / "effects.sock", self.random.getrandbits(64))
        self.addCleanup(self.effects.close)
        self.sites = []
        for number in range(REPLICAS):
            site = Site(number, self.databases, self.effects, self.folder, self.apart, self.random.getrandbits(32))
            self.addCleanup(site.close)
            self.sites.append(site)
            site.replica.start()
        self.nemesis = Nemesis(self.sites, self.databases, self.effects, random.Random(self.random.getrandbits(64)))
        self.clients = []
        self.deaths = []

    def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(self):
        self.start_clients("storm", CLIENTS)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            self.nemesis.act()
            self.supervise(self.nemesis.random.uniform(0.1, 1.5))
        self.nemesis.repair()
        self.nemesis.freeze_all_but_one()
        self.rest_clients()
        self.await_all_ended("with one replica left")
        self.nemesis.repair()
        self.calm()
        self.stop_all()
        self.check()

    # ---- the parts

    def start_clients(self, name, count):
        for number in range(count):
            client = Client(f"{name}{number}", self.sites, self.random.getrandbits(64))
            self.clients.append(client)
            client.start()

    def rest_clients(self):
        for client in self.clients:
            client.resting.set()
        deadline = time.monotonic() + 300
        while any(client.is_alive() for client in self.clients) and time.monotonic() < deadline:
            self.supervise(0.1)
        if any(client.is_alive() for client in self.clients):
            self.fail_stuck("clients wait for their answers")

    def supervise(self, seconds):
        """Lets time pass. A replica that ended by itself is started again, and what ended it is remembered: only a
        database that is away when it starts may do that."""
        deadline = time.monotonic() + seconds
        while True:
            self.nemesis.repair(time.monotonic())
            for site in self.sites:
                if site.name not in self.nemesis.busy and site.replica.ended_by_itself():
                    code = site.replica.process.returncode
                    if code < 0:
                        self.deaths.append(f"{site.replica.life} ended with {code}:\n{site.replica.log_tail()}")
                    site.replica.start()
            for client in self.clients:
                if client.failure:
                    self.fail_stuck(f"{client.name}: {client.failure}")
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)

    def calm(self):
        """Nothing happens, and so nothing may be repeated, except what was harmed before."""
        self.supervise(2)
        began = time.time()
        client = Client("calm", self.sites, self.random.getrandbits(64))
        self.clients.append(client)
        while len(client.acknowledged) < CALM_RUNS:
            client.start_one()
        self.await_all_ended("in the calm")
        calm = {run for key, run in client.acknowledged.items()}
        for thing, calls in self.effects.calls.items():
            if thing.split("/")[0] in calm:
                keys = [call.key for call in calls if call.verb in ("make", "refuse", "choose")]
                self.assertEqual(len(keys), len(set(keys)), f"repeated in the calm since {began}: {calls}")

    def await_all_ended(self, when):
        moved_at, before = time.monotonic(), None
        while True:
            self.supervise(0.2)
            now = self.progress()
            if now["unfinished"] == 0:
                return
            if now != before:
                moved_at, before = time.monotonic(), now
            if time.monotonic() - moved_at > STUCK_S:
                self.fail_stuck(f"{when} {now['unfinished']} runs stand still")

    def progress(self):
        (row,) = self.databases.primary.query(
            "SELECT (SELECT count(*) FROM runs WHERE completed_at IS NULL) AS unfinished, "
            "(SELECT count(*) FROM run_events) AS events"
        )
        return row

    def stop_all(self):
        for site in self.sites:
            if site.replica.stop(patience_s=60) != 0:
                self.deaths.append(f"{site.replica.life} did not hand over:\n{site.replica.log_tail()}")
        left = self.databases.primary.query("SELECT * FROM replicas")
        self.assertEqual(left, [], "replicas that have ended still hold a lease")

    def check(self):
        acknowledged, cancelled, programs = {}, set(), {}
        for client in self.clients:
            acknowledged |= client.acknowledged
            cancelled |= client.cancelled
            programs |= client.programs
        findings = self.engine_lines("check", self.databases.primary.url)
        inputs = sorted(set(programs.values()))
        told = self.engine_lines("expect", given="".join(f"{seed} {length}\n" for seed, length in inputs))
        tables = {
            name: self.databases.primary.query(f"SELECT * FROM {name}") for name in ("chaos_counts", "chaos_bad_ends")
        }
        checker = Checker(acknowledged, findings, dict(zip(inputs, told, strict=True)), cancelled, self.effects,
                          self.nemesis, tables)  # fmt: skip
        complaints = checker.check() + self.deaths + self.repairs()
        statuses = [finding["status"] for finding in findings]
        counts = {status: statuses.count(status) for status in sorted(set(statuses))}
        harms = [harm.what.split()[0] for harm in self.nemesis.history]
        cuts = {site.name: [proxy.counts() for proxy in site.proxies] for site in self.sites}
        print(f"runs {counts}, calls {sum(map(len, self.effects.calls.values()))}, "
              f"harms {({what: harms.count(what) for what in sorted(set(harms))})}\n{cuts}", flush=True)  # fmt: skip
        if complaints:
            self.fail(f"seed {SEED}: {len(complaints)} complaints\n" + "\n".join(complaints[:20]) + "\n" + self.dump())

    def repairs(self):
        """What a sweep had to repair is a defect, even if all ended well."""
        return [
            f"{site.name}: {line}"
            for site in self.sites
            for line in site.replica.log_file.read_text().splitlines()
            if line.startswith("notice the sweep repaired")
        ]

    def engine_lines(self, *words, given=""):
        done = subprocess.run([ENGINE, *words], input=given, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    # ---- when it is stuck

    def fail_stuck(self, what):
        self.fail(f"seed {SEED}: {what}\n{self.dump()}")

    def dump(self):
        """All that one wants to know: the runs that have not ended, who is there, who waits, what was done, the logs."""
        parts = [f"what was done:\n{self.nemesis.describe()}"]
        for title, sql in (
            ("unfinished runs", "SELECT * FROM runs WHERE completed_at IS NULL ORDER BY id LIMIT 10"),
            ("their last events", "SELECT * FROM (SELECT e.*, row_number() OVER (PARTITION BY run_id ORDER BY seq DESC) AS n "
             "FROM run_events e JOIN runs r ON r.id = e.run_id WHERE r.completed_at IS NULL) e WHERE n <= 3 "
             "ORDER BY run_id, seq LIMIT 30"),
            ("replicas", "SELECT * FROM replicas"),
            ("departed replicas", "SELECT * FROM departed_replicas"),
            ("inputs", "SELECT * FROM run_inputs LIMIT 20"),
            ("connections", "SELECT pid, application_name, state, wait_event_type, wait_event, "
             "now() - state_change AS since, left(query, 100) AS query, pg_blocking_pids(pid) AS blocked_by "
             "FROM pg_stat_activity WHERE datname IS NOT NULL"),
        ):  # fmt: skip
            try:
                rows = "\n".join(f"  {json.dumps(row)}" for row in self.databases.primary.query(sql, patience_s=10))
            except (subprocess.SubprocessError, OSError) as error:
                rows = f"  {error} {getattr(error, 'stderr', '')}"
            parts.append(f"{title}:\n{rows}")
        for site in self.sites:
            told = site.replica.ask("statistics", "statistics", 5) if site.replica.is_running() else None
            parts.append(f"{site.replica.life}: {told}\n{site.replica.log_tail()}")
        return "\n".join(parts)


if __name__ == "__main__":
    unittest.main(verbosity=2)
