"""P-13: how long building takes."""

import os
import subprocess
import time

from measure import ROOT, ROUNDS, folder, table, verdict

EMPTY_BUILD_GOAL_S = 600
TOUCH_GOAL_S = 15
TOUCHED = ROOT / "src" / "store" / "group_writer.cpp"
TARGET, TEST = "test_store", "GroupWriterTest.*"


def timed(*words, **options):
    start = time.monotonic()
    done = subprocess.run([str(word) for word in words], text=True, capture_output=True, check=False, **options)
    if done.returncode != 0:
        raise SystemExit(f"{words[0]}: {(done.stdout + done.stderr)[-3000:]}")
    return time.monotonic() - start


def p13():
    with folder() as path:
        build = path / "build"
        # Without the compiler cache: a newcomer has none.
        environment = dict(os.environ, CCACHE_DISABLE="1")
        configure = timed("cmake", "--preset", "release", "-B", build, "-DSLIPWAY_TESTS=ON", cwd=ROOT, env=environment)
        whole = configure + timed("cmake", "--build", build, env=environment)
        touched = []
        for _ in range(ROUNDS):
            TOUCHED.touch()
            seconds = timed("cmake", "--build", build, "--target", TARGET, env=environment)
            touched.append(seconds + timed(build / "src" / TARGET, f"--gtest_filter={TEST}"))
    table(
        f"Building on {os.cpu_count()} processors, without compiler cache",
        [("everything, from an empty folder", [whole], "s"), ("one .cpp touched, its test built and run", touched, "s")],
    )
    verdict("P-13", [whole / EMPTY_BUILD_GOAL_S], "<=1", "from empty")
    verdict("P-13", [seconds / TOUCH_GOAL_S for seconds in touched], "<=1", "one file")


BENCHES = {"P-13": p13}
