"""builds: what the hub, its database and a provisioner daemon carry, with a provisioner that does nothing but wait.

Builds a second, how long a job waits until a daemon has it, what a build in flight costs, and lines of logs.
"""

import concurrent.futures
import contextlib
import datetime
import glob
import json
import os
import pathlib
import threading
import time

import postgres
from hub import resident_mb
from measure import ROUNDS, alternate, figures, folder, median, program, table, verdict
from provisioning import Client, cpu_seconds
from support.hub import Hub
from support.provisionerd import Provisionerd
from support.templates import push

BUILDS = int(os.environ.get("BENCH_BUILDS", "400"))
IN_FLIGHT = [int(word) for word in os.environ.get("BENCH_BUILDS_IN_FLIGHT", "100,500").split(",")]
RUNNERS = 8
CLIENTS = 16
ALONE = 50  # builds one after another, of which each is waited for
STEADY_S = 10
FLIGHT_S = 30
RUNNERS_MAX = 64  # of one daemon
LINES = 20_000
STORMS = 20
PATIENCE_S = 300

RUN_SHARE_GOAL = 0.1  # a build may cost as much as ten runs of five steps
LATENCY_GOAL_MS = 50
# Servers and database for each concurrent build, by the sizing guide of a known platform.
SIZING_VCPU, SIZING_MB = 0.17, 600


class Site:
    """A hub without runners of its own, daemons, and a template."""

    def __init__(self, hub, path):
        self.hub, self.path = hub, path
        self.key = hub.post("/v1/daemon-keys", {"name": "bench"}).expect(201)["key"]
        self.daemons = []

    def start_daemons(self, runners):
        for number in range(0, runners, RUNNERS_MAX):
            daemon = Provisionerd(self.path, f"daemon{len(self.daemons)}", f"http://127.0.0.1:{self.hub.port}", self.key,
                                  runners=min(RUNNERS_MAX, runners - number),
                                  options=["--provisioner", "scripted", "--log-level", "error"])  # fmt: skip
            daemon.start()
            self.daemons.append(daemon)

    def push(self, name, start):
        script = {"resources": [{"type": "machine", "name": "main", "on": ["start"]}], "apply": {"start": start}}
        files = {"script.json": json.dumps(script), "template.toml": 'provisioner = "scripted"\n'}
        self.hub.await_completed(push(self.hub, name, files, "scripted")["run"]["id"])

    def build(self, template, names):
        """Asks for a workspace of each name, several at a time."""
        clients = threading.local()

        def ask(name):
            if not hasattr(clients, "client"):
                clients.client = Client(self.hub)
            clients.client.ask("POST", "/v1/workspaces", {"name": name, "from_template": template})

        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as threads:
            list(threads.map(ask, names))

    def jobs(self, template):
        """All build jobs of a template that have ended."""
        found, cursor = [], ""
        identity = self.hub.get(f"/v1/templates/{template}").expect(200)["id"]
        while cursor is not None:
            where = f"/v1/jobs?owner=all&type=workspace_build&status=succeeded,failed&templateId={identity}&limit=200"
            answer = self.hub.get(where + (f"&cursor={cursor}" if cursor else ""))
            found += answer.expect(200)
            cursor = answer.json["meta"]["pagination"].get("nextCursor")
        failed = [job for job in found if job["status"] == "failed"]
        if failed:
            raise SystemExit(f"{len(failed)} builds failed: {failed[0]}")
        return found

    def count(self, status):
        answer = self.hub.get(f"/v1/jobs?owner=all&type=workspace_build&status={status}&limit=1")
        answer.expect(200)
        return answer.json["meta"]["pagination"]["total"]

    def await_count(self, status, wanted):
        deadline = time.monotonic() + PATIENCE_S
        while self.count(status) < wanted:
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.count(status)} builds are {status}, and not {wanted}")
            time.sleep(0.1)

    def close(self):
        for daemon in self.daemons:
            daemon.close()


@contextlib.contextmanager
def site(runners, database=None):
    with folder() as path:
        words = ["--log-level", "error", *(["--database", database] if database else [])]
        # Workspaces of others than a sandbox need no taking away: the whole store goes.
        hub = Hub(data=path / "data", options=words)
        hub.start()
        running = Site(hub, path)
        try:
            running.start_daemons(runners)
            yield running
        finally:
            running.close()
            hub.kill()


def at(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def waited_ms(jobs):
    return sorted((at(job["startedAt"]) - at(job["createdAt"])) * 1e3 for job in jobs)


def quantile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


# ---- builds a second, and waiting


def throughput(database):
    with site(RUNNERS, database) as running:
        running.push("burst", [])
        running.push("alone", [])
        running.push("steady", [])
        for number in range(ALONE):
            running.build("alone", [f"alone-{number}"])
            running.await_count("succeeded", number + 1)
        running.build("burst", [f"burst-{number}" for number in range(BUILDS)])
        running.await_count("succeeded", ALONE + BUILDS)
        jobs = running.jobs("burst")
        per_s = BUILDS / (max(at(job["endedAt"]) for job in jobs) - min(at(job["createdAt"]) for job in jobs))
        # Half of what it can do.
        count = int(per_s * STEADY_S / 2)
        began = time.monotonic()
        for number in range(count):
            running.build("steady", [f"steady-{number}"])
            time.sleep(max(0, began + (number + 1) / (per_s / 2) - time.monotonic()))
        running.await_count("succeeded", ALONE + BUILDS + count)
        return {"per_s": per_s, "alone": waited_ms(running.jobs("alone")), "steady": waited_ms(running.jobs("steady"))}


def show_throughput(title, results, steps):
    runs = [result["steps_per_s"] / 5 for result in steps]
    rates = [result["per_s"] for result in results]
    table(
        f"{title}: {BUILDS} builds asked for at once, a daemon with {RUNNERS} runners",
        [("builds", rates, "a second"), ("runs of five steps in the engine alone", runs, "a second"),
         ("a job waits, idle: p50", [quantile(result["alone"], 0.5) for result in results], "ms"),
         ("a job waits, idle: p99", [quantile(result["alone"], 0.99) for result in results], "ms"),
         ("a job waits at half the rate: p50", [quantile(result["steady"], 0.5) for result in results], "ms"),
         ("a job waits at half the rate: p99", [quantile(result["steady"], 0.99) for result in results], "ms")],
    )  # fmt: skip
    verdict("builds", [a / b for a, b in zip(rates, runs)], f">={RUN_SHARE_GOAL}", f"{title} a second, over runs")
    verdict("builds", [quantile(result["alone"], 0.5) / LATENCY_GOAL_MS for result in results], "<=1", f"{title} waiting")


# ---- builds in flight


def database_processes(server):
    pids = []
    main = int(pathlib.Path(server.folder, "data", "postmaster.pid").read_text().split()[0])
    for status in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(pathlib.Path(status).read_text().rsplit(")", 1)[1].split()[1]) == main:
                pids.append(int(status.split("/")[2]))
    return [main, *pids]


def usage(hub, server):
    """(seconds of processor, MB) of the hub and the database. Shared memory counts once."""
    pids, seconds, kilobytes = database_processes(server), 0.0, 0
    for pid in pids:
        with contextlib.suppress(OSError):
            seconds += cpu_seconds(pid)
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            kilobytes += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return cpu_seconds(hub.process.pid) + seconds, resident_mb(hub.process.pid) + kilobytes / 1024


def in_flight(count):
    with postgres.server() as server, site(count, server.new_database()) as running:
        running.push("slow", [{"delay": f"{FLIGHT_S}s"}])
        cpu, idle_mb = usage(running.hub, server)
        began = time.monotonic()
        running.build("slow", [f"slow-{number}" for number in range(count)])
        highest, most_mb = 0, idle_mb
        while (done := running.count("succeeded")) < count:
            highest = max(highest, running.count("running"))
            most_mb = max(most_mb, usage(running.hub, server)[1])
            if time.monotonic() - began > PATIENCE_S:
                raise SystemExit(f"only {done} of {count} builds have ended")
            time.sleep(1)
        elapsed = time.monotonic() - began
        used = usage(running.hub, server)[0] - cpu
        return {"count": count, "highest": highest, "elapsed": elapsed, "vcpu": used / elapsed / highest,
                "mb": (most_mb - idle_mb) / highest, "all_mb": most_mb / highest}  # fmt: skip


def show_in_flight(results):
    rows = []
    for result in results:
        what = f"{result['highest']} in flight"
        rows += [(f"{what}: processor of hub and database, each", [result["vcpu"]], "vCPU"),
                 (f"{what}: memory that they grew by, each", [result["mb"]], "MB"),
                 (f"{what}: all their memory, each", [result["all_mb"]], "MB"),
                 (f"{what}: from the first wish to the last end", [result["elapsed"]], "s")]  # fmt: skip
    table(f"Builds of {FLIGHT_S} s, asked for at once, PostgreSQL", rows)
    verdict("builds", [result["vcpu"] / SIZING_VCPU for result in results], "<=1", "processor in flight")
    verdict("builds", [result["all_mb"] / SIZING_MB for result in results], "<=1", "memory in flight")


# ---- lines of logs


def storm(count):
    with site(count) as running:
        running.push("storm", [{"storm": LINES}])
        running.build("storm", [f"storm-{number}" for number in range(count)])
        running.await_count("succeeded", count)
        jobs = running.jobs("storm")
        told = sum(job["logLines"] for job in jobs)
        if told < LINES * count:
            raise SystemExit(f"{told} lines came of {LINES * count}")
        return told / (max(at(job["endedAt"]) for job in jobs) - min(at(job["startedAt"]) for job in jobs))


def show_storms(alone, many):
    table(
        f"{LINES:,} lines of logs of a job, SQLite",
        [("one job", alone, "lines/s"), (f"{STORMS} jobs at once", many, "lines/s")],
    )
    verdict("builds", [b / a for a, b in zip(alone, many)], ">=0.8", f"{STORMS} storms over one")


def builds():
    program("slipway")
    with folder() as path:
        count = iter(range(1000))
        results, steps = alternate(
            lambda: throughput(None), lambda: figures("engine_bench", "many", path / f"{next(count)}.db", 2000, 400)
        )
    show_throughput("SQLite", results, steps)
    with postgres.server() as server:
        results, steps = alternate(
            lambda: throughput(server.new_database()),
            lambda: figures("engine_bench", "many", server.new_database(), 2000, 400),
        )
    show_throughput("PostgreSQL", results, steps)
    show_in_flight([in_flight(count) for count in IN_FLIGHT for _ in range(1 if ROUNDS < 3 else 2)])
    alone, many = alternate(lambda: storm(1), lambda: storm(STORMS))
    show_storms(alone, many)
    print(f"load of the machine {median(os.getloadavg()):.1f}")


BENCHES = {"builds": builds}
