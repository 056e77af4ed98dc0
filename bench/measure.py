"""Alternating rounds, medians, ratios: what every benchmark here is made of.

A figure means nothing by itself: it is compared with a limit or a peer that was measured in the same run, in turns with
it, so that a busy machine slows both.
"""

import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


def program(name):
    path = BUILD / ("src" if name.startswith("slipway") else "bench") / name
    if not path.exists():
        raise SystemExit(f"{path.relative_to(ROOT)} is not built: tools/build --tests release")
    return path


def figures(name, *words):
    """Runs a benchmark program; gives the figures of its last line."""
    done = subprocess.run([program(name), *map(str, words)], text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{name} {' '.join(map(str, words))}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def folder():
    """A temporary folder on the disk of the build: /tmp may be memory, which syncs for nothing."""
    base = ROOT / "build" / "bench-data"
    base.mkdir(parents=True, exist_ok=True)
    path = pathlib.Path(tempfile.mkdtemp(dir=base))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            base.rmdir()


def alternate(*measures, rounds=None):
    """Calls each in turn, `rounds` times; gives one list of results for each."""
    results = [[] for _ in measures]
    for _ in range(rounds or ROUNDS):
        for result, measure in zip(results, measures):
            result.append(measure())
    return results


def median(values):
    return statistics.median(values)


def shown(value):
    if value == 0 or 0.01 <= abs(value) < 1e6:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:.3g}"


def table(title, rows):
    """rows: (what, list of values, unit)."""
    print(f"\n{title}")
    width = max(len(what) for what, _, _ in rows)
    for what, values, unit in rows:
        spread = f"{shown(min(values))} … {shown(max(values))}" if len(values) > 1 else "measured once"
        print(f"  {what:<{width}}  {shown(median(values)):>10} {unit:<10} ({spread})")


def verdict(name, ratios, goal, part=""):
    """The last line. `ratios`: one for each round. `goal`: like '>=0.5' or '<=1'."""
    met = eval(f"{median(ratios)}{goal}")  # noqa: S307: the goal is written in this folder
    label = f"{name}{f' {part}' if part else ''}"
    print(
        f"{label} ratio={median(ratios):.3g} goal={goal} spread={min(ratios):.3g}..{max(ratios):.3g}"
        f" {'met' if met else 'MISSED'}"
    )
    return met
