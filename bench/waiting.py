"""P-7, P-9, P-15 and P-16: runs that wait, replicas that go, a long history."""

import subprocess
import time

from measure import alternate, figures, folder, program, table, verdict
from postgres import PROGRAMS, server

SLEEPERS = 100_000
SLEEPERS_MB = 100
LATE_MS = 50
IN_FLIGHT = 10_000
TAKEOVER_S = 5
HISTORY = 1_000_000
RUNS = 4000
AT_ONCE = 1000


def p7():
    with folder() as path:
        count = iter(range(1000))
        (rounds,) = alternate(lambda: figures("waiting_bench", "sleepers", path / f"{next(count)}.db", SLEEPERS), rounds=1)
    mb = [result["sleepers_mb"] for result in rounds]
    late = [result["late_p99_ms"] for result in rounds]
    table(
        f"{SLEEPERS:,} runs that sleep, and others that wake at 1,000 a second, SQLite",
        [("the sleepers' memory", mb, "MB"), ("late, p50", [r["late_p50_ms"] for r in rounds], "ms"),
         ("late, p99", late, "ms")],
    )  # fmt: skip
    verdict("P-7", [value / SLEEPERS_MB for value in mb], "<=1", "memory")
    verdict("P-7", [value / LATE_MS for value in late], "<=1", "late")


def takeover(url):
    """Seconds from the kill of one of three until the others have all of its runs."""

    def replica(count):
        process = subprocess.Popen(
            [program("waiting_bench"), "replica", url, str(count)], text=True, stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == "ready\n"
        return process

    survivors = [replica(0), replica(0)]
    victim = replica(IN_FLIGHT)
    try:
        victim.kill()
        killed = time.monotonic()
        taken = [0, 0]
        while sum(taken) < IN_FLIGHT:
            for number, survivor in enumerate(survivors):
                taken[number] = int(survivor.stdout.readline())
        return {"seconds": time.monotonic() - killed, "share": min(taken) / IN_FLIGHT}
    finally:
        for process in [victim, *survivors]:
            process.kill()
            process.wait()


def p9():
    with server() as postgres:
        (rounds,) = alternate(lambda: takeover(postgres.new_database()))
    seconds = [result["seconds"] for result in rounds]
    table(
        f"One of three replicas is killed with {IN_FLIGHT:,} runs in flight, PostgreSQL",
        [("until the others have all of them", seconds, "s"),
         ("share of the one that got fewer", [r["share"] for r in rounds], "")],
    )  # fmt: skip
    verdict("P-9", [value / TAKEOVER_S for value in seconds], "<=1")


def fill(url):
    """A million runs that ended long ago, four events each."""
    sql = f"""
      INSERT INTO runs (id, type, status, resource_type, resource_id, triggered_by, owner_id, input, output, started_at,
                        completed_at)
      SELECT 'run_00' || lpad(n::text, 24, '0'), 'bench.old', 'completed', 'bench', 'r' || n % 5000, 'usr', 'usr',
             '{{}}', '{{}}', 1600000000000 + n, 1600000001000 + n FROM generate_series(1, {HISTORY}) n;
      INSERT INTO run_events (run_id, seq, type, at, step, data)
      SELECT 'run_00' || lpad(n::text, 24, '0'), s, 'step_completed', 1600000000000 + n, 'step', '{{"result":1}}'
      FROM generate_series(1, {HISTORY}) n, generate_series(1, 4) s;
      ANALYZE;"""
    subprocess.run([f"{PROGRAMS}/psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql], check=True)


def p15():
    with server() as postgres:
        full = postgres.new_database()
        figures("engine_bench", "alone", full, 1)  # makes the schema
        fill(full)
        empty, filled = alternate(
            lambda: figures("engine_bench", "many", postgres.new_database(), RUNS, AT_ONCE)["steps_per_s"],
            lambda: figures("engine_bench", "many", full, RUNS, AT_ONCE)["steps_per_s"],
        )
    table(
        "Steps a second, PostgreSQL, without and with a history",
        [("empty", empty, "steps/s"), (f"{HISTORY:,} runs ended before", filled, "steps/s")],
    )
    verdict("P-15", [b / a for a, b in zip(empty, filled)], ">=1")


def p16():
    with folder() as path:
        count = iter(range(1000))
        (rounds,) = alternate(lambda: figures("waiting_bench", "starts", path / f"{next(count)}.db", 500))
    commit = [result["commit_us"] for result in rounds]
    p50 = [result["p50_us"] for result in rounds]
    p99 = [result["p99_us"] for result in rounds]
    table(
        "From the wish to start a run until its first step runs, SQLite",
        [("one commit", commit, "µs"), ("p50", p50, "µs"), ("p99", p99, "µs")],
    )
    verdict("P-16", [a / (b + 1000) for a, b in zip(p50, commit)], "<=1", "p50")
    verdict("P-16", [a / (b + 5000) for a, b in zip(p99, commit)], "<=1", "p99")


BENCHES = {"P-7": p7, "P-9": p9, "P-15": p15, "P-16": p16}
