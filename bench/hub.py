"""P-4, P-5, P-10 and P-12: the hub from outside."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from measure import ROOT, alternate, figures, folder, program, table, verdict

os.environ["SLIPWAY_BIN"] = str(ROOT / "build" / "release" / "src" / "slipway")
sys.path.insert(0, str(ROOT / "tests"))
from support.hub import Hub, free_port, wait_until  # noqa: E402

WRK_SECONDS = 3
IDLE_SECONDS = 2  # until a hub that has just started has nothing left to do
START_GOAL_MS = 200
IDLE_GOAL_MB = 40
CONNECTIONS = 64
HALF_LOAD_CONNECTIONS = 4  # about half of what 64 reach


# ---- load


def wrk(url, key="", connections=CONNECTIONS, script=""):
    """Requests a second and the 99th percentile in µs; fails if anything but 2xx was answered."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{WRK_SECONDS}s", "--latency", "-H", f"Authorization: Bearer {key}"]
    if script:
        words += ["-s", script]
    done = subprocess.run([*words, url], text=True, capture_output=True, check=False).stdout
    if "Requests/sec" not in done or "Non-2xx" in done:
        raise SystemExit(f"wrk {url}: {done}")
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", done).groups()
    p99 = float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
    return {"per_s": float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1]), "p99_us": p99}


@contextlib.contextmanager
def constant_server():
    port = free_port()
    process = subprocess.Popen([program("http_bench"), str(port)], stdout=subprocess.PIPE, text=True)
    try:
        process.stdout.readline()
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def api_without_machines(path):
    """The API over a store; gives url and key. The runs of what it accepts wait for a machine that never comes."""
    process = subprocess.Popen([program("api_bench"), path], stdout=subprocess.PIPE, text=True)
    try:
        process.stdout.readline()
        client = json.loads((path / "client.json").read_text())
        yield client["url"], client["key"]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def create_script(path):
    script = path / "create.lua"
    script.write_text(
        'local n, tag = 0, tostring(os.time()) .. math.random(1e6)\n'
        "request = function()\n"
        "  n = n + 1\n"
        '  return wrk.format("POST", nil, {["Content-Type"]="application/json", ["Authorization"]=wrk.headers.Authorization},'
        " '{\"name\":\"w' .. tag .. '-' .. n .. '\"}')\n"
        "end\n"
    )
    return script


def p4():
    with folder() as path, api_without_machines(path) as (url, key):
        script, target = create_script(path), url + "/v1/workspaces"
        full, half, groups, commits = alternate(
            lambda: wrk(target, key, CONNECTIONS, script),
            lambda: wrk(target, key, HALF_LOAD_CONNECTIONS, script),
            lambda: figures("engine_bench", "groups", path / "groups.db", 20_000, CONNECTIONS)["writes_per_s"],
            lambda: figures("engine_bench", "commits", path / "commits.db", 500)["median_us"],
        )
    rates = [result["per_s"] for result in full]
    p99 = [result["p99_us"] for result in half]
    table(
        "POST /v1/workspaces until 202, SQLite (no machine is made)",
        [("requests, saturated", rates, "req/s"), ("commits of three indexed rows, as many waiting", groups, "commits/s"),
         ("requests, lower load", [result["per_s"] for result in half], "req/s"), ("p99 at the lower load", p99, "µs"),
         ("one commit alone", commits, "µs")],
    )  # fmt: skip
    verdict("P-4", [a / b for a, b in zip(rates, groups)], ">=0.5", "throughput")
    verdict("P-4", [a / (3 * b) for a, b in zip(p99, commits)], "<=1", "p99 over 3 commits")


def p5():
    with folder() as path, Hub(data=path / "data", options=["--log-level", "error"]) as hub, constant_server() as constant:
        workspace = hub.create_workspace("hello")
        run = workspace_runs(hub, workspace)
        paths = {
            "one workspace": f"/v1/workspaces/{workspace['id']}",
            "list of workspaces": "/v1/workspaces",
            "one run": f"/v1/workflows/runs/{run}",
        }
        measures = [lambda: wrk(constant)]
        for where in paths.values():
            measures.append(lambda where=where: wrk(f"http://127.0.0.1:{hub.port}{where}", hub.key))
        ceiling, *ours = alternate(*measures)
    rows = [("the server's constant answer", [result["per_s"] for result in ceiling], "req/s")]
    rows += [(f"GET {name}", [result["per_s"] for result in results], "req/s") for name, results in zip(paths, ours)]
    rows += [("p99 of the constant answer", [result["p99_us"] for result in ceiling], "µs")]
    rows += [(f"p99 of {name}", [result["p99_us"] for result in results], "µs") for name, results in zip(paths, ours)]
    table("Reads, small store, 64 connections", rows)
    for name, results in zip(paths, ours):
        verdict("P-5", [a["per_s"] / b["per_s"] for a, b in zip(results, ceiling)], ">=0.5", name)


def workspace_runs(hub, workspace):
    return hub.get(f"/v1/workflows/runs?resourceId={workspace['id']}").expect(200)[0]["id"]


# ---- starting


def start_once():
    with folder() as path:
        hub = Hub(data=path / "data", started=False)
        shutil.rmtree(hub.folder)
        hub.folder = path
        started = time.monotonic()
        hub.start(wait=False)
        try:
            while not is_serving(hub):
                pass
            milliseconds = (time.monotonic() - started) * 1e3
            time.sleep(IDLE_SECONDS)
            return {"ms": milliseconds, "mb": resident_mb(hub.process.pid)}
        finally:
            hub.stop()


def is_serving(hub):
    try:
        return hub.get("/health", key=None).status == 200
    except OSError:
        return False


def resident_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def program_start_ms():
    started = time.monotonic()
    subprocess.run([program("slipway"), "version"], stdout=subprocess.DEVNULL, check=True)
    return (time.monotonic() - started) * 1e3


def p10():
    starts, bare = alternate(start_once, program_start_ms)
    times, memory = [result["ms"] for result in starts], [result["mb"] for result in starts]
    table(
        "Start to serving on an empty embedded store",
        [("until /health answers 200", times, "ms"), ("of it, the program itself (slipway version)", bare, "ms"),
         ("resident memory, idle", memory, "MB")],
    )  # fmt: skip
    verdict("P-10", [value / START_GOAL_MS for value in times], "<=1", "start over 200 ms")
    verdict("P-10", [value / IDLE_GOAL_MB for value in memory], "<=1", "idle over 40 MB")


# ---- a sandbox and a login


class ByHand:
    """The same kind of sandbox, made with bwrap and sshd as a person would, and a login by ssh."""

    def __init__(self, path):
        self.path = path
        self.count = 0
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path / f"{name}key"], check=True)
        (path / "passwd").write_text(
            "root:x:0:0::/root:/bin/bash\ndev:x:1000:1000:dev:/home/dev:/bin/bash\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
        )
        (path / "group").write_text("root:x:0:\ndev:x:1000:\nnogroup:x:65534:\n")

    def measure(self):
        self.count += 1
        port = free_port()
        home = self.path / f"home{self.count}"
        (home / ".ssh").mkdir(parents=True)
        (home / ".ssh/authorized_keys").write_text((self.path / "userkey.pub").read_text())
        if os.geteuid() == 0:
            for folder_path in (home, home / ".ssh", home / ".ssh/authorized_keys", self.path / "hostkey"):
                os.chown(folder_path, 0, 0)
        (self.path / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey /etc/sshbox/hostkey\nUsePAM no\nPasswordAuthentication no\n"
            "StrictModes no\nPidFile none\n"
        )
        started = time.monotonic()
        process = subprocess.Popen(self._bwrap(home), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            login = [
                "ssh", "-F", "none", "-i", self.path / "userkey", "-p", str(port), "-o", "StrictHostKeyChecking=no",
                "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "dev@127.0.0.1", "true",
            ]  # fmt: skip
            wait_until(lambda: is_listening(port), "sshd listens")
            subprocess.run(login, check=True, stdin=subprocess.DEVNULL)
            return (time.monotonic() - started) * 1e3
        finally:
            process.terminate()
            process.wait()

    def _bwrap(self, home):
        where = self.path
        return [
            "bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--uid", "1000", "--gid", "1000",
            "--hostname", "byhand", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
            "--symlink", "usr/sbin", "/sbin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
            "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run", "--dir", "/run/sshd",
            "--size", "1048576", "--tmpfs", "/secrets", "--dir", "/etc", "--ro-bind", where / "passwd", "/etc/passwd",
            "--ro-bind", where / "group", "/etc/group", "--ro-bind", where / "sshd_config", "/etc/sshbox/sshd_config",
            "--ro-bind", where / "hostkey", "/etc/sshbox/hostkey", "--bind", home, "/home/dev", "--setenv", "HOME",
            "/home/dev", "/usr/sbin/sshd", "-D", "-e", "-f", "/etc/sshbox/sshd_config",
        ]  # fmt: skip


def is_listening(port):
    import socket

    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


class Ours:
    """A workspace of a running hub, from the request until the command's answer."""

    def __init__(self, hub, path):
        self.hub = hub
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(path), "SLIPWAY_DATA": str(hub.data)}
        self.config = path / "ssh_config"
        self.count = 0

    def measure(self, login):
        self.count += 1
        name = f"w{self.count}"
        # For every name; the key pair that it needs is made once.
        if not self.config.exists():
            self.config.write_text(self._slipway("ssh-config"))
        started = time.monotonic()
        accepted = self.hub.post("/v1/workspaces", {"name": name}, headers={"Prefer": "wait=60"}).expect(202)
        if accepted["run"]["status"] != "completed":
            raise SystemExit(f"creating {name}: {accepted['run']}")
        created = (time.monotonic() - started) * 1e3
        if login == "ssh":
            words = ["ssh", "-F", self.config, "-o", "LogLevel=ERROR", f"slipway.{name}", "true"]
            subprocess.run(words, check=True, stdin=subprocess.DEVNULL, env=self.environment)
        else:
            self._slipway("exec", name, "--", "true")
        answered = (time.monotonic() - started) * 1e3
        deleted = self.hub.delete("/v1/workspaces/" + accepted["workspace"]["id"]).expect(202)
        self.hub.await_completed(deleted["run"]["id"])
        return {"created": created, "answered": answered}

    def _slipway(self, *words):
        done = subprocess.run(
            [program("slipway"), *words], text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL,
            env=self.environment,
        )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(f"slipway {' '.join(words)}: {done.stderr}")
        return done.stdout


def p12():
    with folder() as path, Hub(data=path / "data", options=["--log-level", "error"]) as hub:
        (path / "byhand").mkdir()
        ours, by_hand = Ours(hub, path), ByHand(path / "byhand")
        ssh, execs, hand = alternate(lambda: ours.measure("ssh"), lambda: ours.measure("exec"), by_hand.measure)
    ssh_times = [result["answered"] for result in ssh]
    table(
        "A sandbox: asked for until a login answers",
        [("slipway: create, then ssh NAME true", ssh_times, "ms"), ("of it, until the workspace is ready",
          [result["created"] for result in ssh], "ms"), ("slipway: create, then exec NAME true",
          [result["answered"] for result in execs], "ms"), ("by hand: bwrap with sshd, then ssh true", hand, "ms")],
    )  # fmt: skip
    verdict("P-12", [a / b for a, b in zip(ssh_times, hand)], "<=1.5")


BENCHES = {"P-4": p4, "P-5": p5, "P-10": p10, "P-12": p12}
