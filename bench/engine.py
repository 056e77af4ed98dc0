"""P-1, P-2, P-3 and P-14: the durable engine and its two stores."""

from measure import alternate, figures, folder, median, table, verdict
from postgres import server

RUNS = 4000
AT_ONCE = 1000
ROWS = 100_000
ROWS_AT_ONCE = 500
EVENTS_PER_STEP = 1  # a step that completes at once is one row of the journal


def throughput(name, title, database):
    count = iter(range(1000))

    def ours():
        return figures("engine_bench", "many", database(next(count)), RUNS, AT_ONCE)

    def limit():
        return figures("sql_bench", "rows", database(next(count)), ROWS, ROWS_AT_ONCE)["rows_per_s"]

    many, rows = alternate(ours, limit)
    steps = [result["steps_per_s"] for result in many]
    table(title, [("durable steps", steps, "steps/s"), (f"plain inserts, {ROWS_AT_ONCE} a commit", rows, "rows/s")])
    verdict(name, [a / b for a, b in zip(steps, rows)], ">=0.5")


def p1():
    with folder() as path:
        throughput("P-1", f"Steps a second, SQLite, {AT_ONCE} runs at once", lambda i: path / f"{i}.db")


def p2():
    with server() as postgres:
        throughput("P-2", f"Steps a second, PostgreSQL, {AT_ONCE} runs at once", postgres.new_database)


def p3():
    with folder() as path:
        commits, alone = alternate(
            lambda: figures("engine_bench", "commits", path / "commits.db", 500)["median_us"],
            lambda: figures("engine_bench", "alone", path / "alone.db", 200),
        )
    times = [result["median_us"] for result in alone]
    groups = [result["commits_per_run"] for result in alone]
    allowed = [(count + 1) * commit for count, commit in zip(groups, commits)]
    table(
        "One run of five steps, alone, SQLite",
        [("one run", times, "µs"), ("its commits", groups, ""), ("one commit", commits, "µs"),
         ("allowed: (commits + 1) × one commit", allowed, "µs")],
    )  # fmt: skip
    verdict("P-3", [a / b for a, b in zip(times, allowed)], "<=1")


def p14():
    with folder() as path:
        count = iter(range(1000))
        (many,) = alternate(lambda: figures("engine_bench", "many", path / f"{next(count)}.db", RUNS, AT_ONCE))
    cpu = [result["cpu_ms_per_run"] for result in many]
    table("Processor time of one run of five steps, many at once", [("engine and store", cpu, "ms")])
    verdict("P-14", [value / 0.2 for value in cpu], "<=1")
    return median(cpu)


BENCHES = {"P-1": p1, "P-2": p2, "P-3": p3, "P-14": p14}
