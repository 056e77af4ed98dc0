"""P-5 and P-6 with a thousand and a million runs stored, and P-8: many who listen."""

import re
import resource
import selectors
import socket
import sqlite3
import time
import urllib.parse

import hub as hub_bench
from hub import Hub, wait_until, wrk
from measure import alternate, folder, table, verdict

FEW, MANY = 1_000, 1_000_000
DAYS = 30
TYPES = 5
FEW_CONNECTIONS = 4
LISTENERS = 10_000
LISTENER_BYTES = 20_000
REACHED_S = 1
FILES = LISTENERS + 2_000  # that this process and the hub may each have open
MINUTE_MS = 60_000


def fill(database, owner, count):
    """Runs that ended over the last month; the hub counts them when it starts next, as after an upgrade."""
    now = int(time.time() * 1000)
    step = DAYS * 24 * 60 * MINUTE_MS / count

    def rows():
        for n in range(count):
            started = int(now - (count - n) * step)
            failed = n % 20 == 1  # all of them of type-1
            yield (
                f"run_00{n:024d}", f"bench.type-{n % TYPES}", "failed" if failed else "completed", "bench",
                f"r{n % 5000}", owner, owner, "{}", "{}", "BENCH_FAILED" if failed else None, started,
                started + 500 + n * 7919 % 100_000,
            )  # fmt: skip

    with sqlite3.connect(database) as connection:
        connection.executemany(
            "INSERT INTO runs (id, type, status, resource_type, resource_id, triggered_by, owner_id, input, output,"
            " error_code, started_at, completed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows(),
        )
        connection.execute(
            "INSERT INTO run_rollup_backlog SELECT id FROM runs WHERE id LIKE 'run_00%' ON CONFLICT DO NOTHING"
        )
        connection.execute("ANALYZE")
    connection.close()


def with_history(path, count):
    """A hub, not yet entered, whose store has so many ended runs."""
    hub = Hub(data=path / "data", options=["--log-level", "error", "--keep-runs-max", "0", "--keep-runs", "0"])
    hub.start()
    owner = hub.get("/v1/me").expect(200)["user_id"]
    hub.stop()
    fill(hub.data / "slipway.db", owner, count)
    return hub


def await_counted(hub):
    target = "/v1/workflows/metrics?since=2000-01-01"
    wait_until(lambda: "incomplete" not in hub.get(target).expect(200), "all runs are counted", patience_s=600)
    return hub.get(target).expect(200)["summary"]["total"]


def measures_of(hub, paths):
    return [lambda p=p: wrk(f"http://127.0.0.1:{hub.port}{p}", hub.key, FEW_CONNECTIONS)["p99_us"] for p in paths]


def p6():
    month = time.strftime("%Y-%m-%dT%H:%M:%S.123Z", time.gmtime(time.time() - (DAYS - 1) * 86400))
    paths = [
        f"/v1/workflows/runs/run_00{MANY // 2:024d}",
        "/v1/workflows/metrics",
        "/v1/workflows/metrics?since=" + urllib.parse.quote(month),
        "/v1/workflows/metrics/bench.type-1?since=2000-01-01",
    ]
    with folder() as path, with_history(path, MANY) as hub:
        assert await_counted(hub) >= MANY
        point, *metrics = alternate(*measures_of(hub, paths))
    names = ["of the last day", "of 29 days, cut at the millisecond", "of one type, for ever"]
    table(
        f"Metrics over {MANY:,} runs, SQLite, {FEW_CONNECTIONS} connections",
        [("p99 of one run", point, "µs"), *[(f"p99 {name}", each, "µs") for name, each in zip(names, metrics)]],
    )
    for name, each in zip(names, metrics):
        verdict("P-6", [a / b for a, b in zip(each, point)], "<=50", name)


def p5_with_history():
    def reads(count):
        return [
            f"/v1/workflows/runs/run_00{count // 2:024d}",
            "/v1/workflows/runs?limit=50",
            "/v1/workflows/runs?type=bench.type-1&status=failed&limit=50",
        ]

    with folder() as small, folder() as large:
        with with_history(small, FEW) as few, with_history(large, MANY) as many:
            await_counted(few)
            await_counted(many)
            results = alternate(*measures_of(few, reads(FEW)), *measures_of(many, reads(MANY)))
    names = ["one run", "a page of runs", "a page of those of a type that failed"]
    half = len(names)
    rows = [(f"p99 of {n}, {FEW:,} runs", each, "µs") for n, each in zip(names, results[:half])]
    rows += [(f"p99 of {n}, {MANY:,} runs", each, "µs") for n, each in zip(names, results[half:])]
    table(f"Reads with a history, SQLite, {FEW_CONNECTIONS} connections", rows)
    for name, little, much in zip(names, results[:half], results[half:]):
        verdict("P-5", [b / a for a, b in zip(little, much)], "<=1.2", f"{name} with {MANY:,} over {FEW:,}")


def private_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return int(re.search(r"RssAnon:\s+(\d+) kB", status.read())[1]) * 1024


class Listeners:
    """Streams of /v1/events, all of them read by one thread."""

    def __init__(self, hub, count):
        self.selector = selectors.DefaultSelector()
        request = f"GET /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {hub.key}\r\n\r\n".encode()
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", hub.port))
            connection.sendall(request)
            self.selector.register(connection, selectors.EVENT_READ)
        self.await_word(b"event: hello", count)

    def await_word(self, word, count, patience_s=120):
        """Until so many have been sent something with the word in it; the seconds that it took."""
        began, reached = time.monotonic(), set()
        while len(reached) < count:
            assert time.monotonic() - began < patience_s, f"{len(reached)} of {count} were reached"
            for key, _ in self.selector.select(1):
                if word in key.fileobj.recv(65536):
                    reached.add(key.fd)
        return time.monotonic() - began

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


def listen(path, turn):
    with Hub(data=path / f"data{turn}", options=["--log-level", "error"]) as hub:
        before = private_bytes(hub.process.pid)
        listeners = Listeners(hub, LISTENERS)
        try:
            each = (private_bytes(hub.process.pid) - before) / LISTENERS
            run = hub.post("/v1/workspaces", {"name": "heard-of"}).expect(202)["run"]["id"]
            return {"bytes": each, "seconds": listeners.await_word(run.encode(), LISTENERS)}
        finally:
            listeners.close()


def p8():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, most))
    turns = iter(range(1000))
    with folder() as path:
        (rounds,) = alternate(lambda: listen(path, next(turns)))
    size, seconds = [r["bytes"] for r in rounds], [r["seconds"] for r in rounds]
    table(
        f"{LISTENERS:,} subscribers of /v1/events on one hub",
        [("memory of each, idle", size, "bytes"), ("from the start of a run until all have heard of it", seconds, "s")],
    )
    verdict("P-8", [value / LISTENER_BYTES for value in size], "<=1", "memory")
    verdict("P-8", [value / REACHED_S for value in seconds], "<=1", "reached")


def p5():
    hub_bench.p5()
    p5_with_history()


BENCHES = {"P-5": p5, "P-6": p6, "P-8": p8}
