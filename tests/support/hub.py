"""A real hub for a test: its own data folder and free port; started, stopped, killed, and taken away with all it made.

Every answer is held against the API's document (contract.py). Typical use:

    with Hub() as hub:
        run = hub.post("/v1/workspaces", {"name": "hello"}).expect(202)["run"]
        hub.await_run(run["id"])

Programs are those of SLIPWAY_BIN and SLIPWAY_AGENT, else those of build/debug.
"""

import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

from .contract import contract

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLIPWAY = pathlib.Path(os.environ.get("SLIPWAY_BIN", ROOT / "build/debug/src/slipway")).resolve()

# For anything that should take less than a second; reached only when something is broken.
PATIENCE_S = 60
LOOK_EVERY_S = 0.02

FINAL_STATES = ("completed", "failed", "cancelled")


def wait_until(condition, what, patience_s=PATIENCE_S):
    """Looks until `condition()` is true, and gives what it gave. Fails with `what` was waited for."""
    deadline = time.monotonic() + patience_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s} s in vain: {what}")
        time.sleep(LOOK_EVERY_S)


_held_ports = []


def free_port():
    """A port that is this process's until it ends, also while nothing listens there: a hub that is killed and started
    again finds it free. It is none of those that the kernel gives to outgoing connections; a lock, which dies with the
    process, keeps other tests away."""
    lowest_outgoing = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(lowest_outgoing // 2, lowest_outgoing)
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0slipway-test-port-{port}")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _held_ports.append(lock)
        return port


class Answer:
    """One HTTP answer: status, headers, text; json if it is."""

    def __init__(self, status, headers, text):
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def data(self):
        return self.json["data"]

    @property
    def error(self):
        return self.json["error"]

    def expect(self, status):
        """Gives the answer's data if it has this status, else fails with the whole answer."""
        if self.status != status:
            raise AssertionError(f"expected {status}, got {self.status}: {self.text[:2000]}")
        return self.json.get("data")

    def expect_error(self, status, code):
        self.expect(status)
        if self.error["code"] != code:
            raise AssertionError(f"expected {code}, got {self.text[:2000]}")
        return self.error


class Hub:
    """Starts in `__enter__` unless `started=False`. `options` are further words for `slipway serve`."""

    def __init__(self, data=None, options=(), started=True):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-test-"))
        self.data = pathlib.Path(data) if data else self.folder / "data"
        self.options = [str(option) for option in options]
        self.port = free_port()
        self.process = None
        self._key = None
        self._start_at_once = started

    def __enter__(self):
        if self._start_at_once:
            try:
                self.start()
            except BaseException:
                self.__exit__(None, None, None)
                raise
        return self

    def __exit__(self, *_):
        try:
            self._delete_all_workspaces()
        finally:
            if self.is_running():
                self.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the process

    def start(self, wait=True):
        assert not self.is_running(), "the hub already runs"
        with open(self.folder / "hub.log", "ab") as log:
            self.process = subprocess.Popen(
                [SLIPWAY, "serve", "--data", self.data, "--port", str(self.port), *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                # Tests look very often, and play their daemons themselves; where they do not: options=["--embedded-runners", 2].
                env={"SLIPWAY_RATE_LIMIT": "0", "SLIPWAY_EMBEDDED_RUNNERS": "0", **os.environ},
            )  # fmt: skip
        if wait:
            self.await_health()

    def await_health(self):
        wait_until(lambda: self._ended() or self._healthy(), "the hub is healthy")
        if self._ended():
            raise AssertionError(f"the hub ended with {self.process.returncode}:\n{self.log_tail()}")

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, patience_s=PATIENCE_S):
        """SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the hub did not stop within {patience_s} s:\n{self.log_tail()}") from None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    def log(self):
        try:
            return (self.folder / "hub.log").read_text(errors="replace")
        except FileNotFoundError:
            return "(the hub's folder is gone)"

    def log_tail(self):
        return self.log()[-4000:]

    def _ended(self):
        return self.process.poll() is not None

    def _how_it_is(self):
        return "runs" if self.is_running() else f"ended with {self.process.returncode}:\n{self.log_tail()}"

    def _healthy(self):
        try:
            return self.get("/health", key=None).status == 200 and (self.data / "client.json").exists()
        except OSError:
            return False

    # ---- HTTP

    @property
    def key(self):
        """The first administrator's key, which stays the same over restarts."""
        if self._key is None:
            self._key = json.loads((self.data / "client.json").read_text())["key"]
        return self._key

    def request(self, method, path, body=None, headers=(), key="own", timeout_s=PATIENCE_S):
        """One request on a connection of its own. `body`: bytes or text as it is, anything else as JSON."""
        sent = dict(headers)
        if key == "own":
            key = self.key
        if key is not None:
            sent.setdefault("Authorization", f"Bearer {key}")
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read().decode(errors="replace"))
        except http.client.HTTPException as error:
            # The hub died in the middle of its answer: for a caller the same as a broken connection.
            raise ConnectionError(f"{method} {path}: {error!r}; the hub {self._how_it_is()}") from error
        finally:
            connection.close()
        contract().check(method, path, body, answer.status, answer.headers, answer.text)
        return answer

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body=body, **options)

    def put(self, path, body, **options):
        return self.request("PUT", path, body, **options)

    def patch(self, path, body, **options):
        return self.request("PATCH", path, body, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    # ---- workspaces and runs

    def workspaces(self):
        return self.get("/v1/workspaces?limit=200").expect(200)

    def find_workspace(self, name):
        found = self.get("/v1/workspaces?name=" + urllib.parse.quote(name)).expect(200)
        return found[0] if found else None

    def create_workspace(self, name, **fields):
        """Makes one and waits until it is ready; gives its record."""
        accepted = self.post("/v1/workspaces", {"name": name, **fields}).expect(202)
        self.await_completed(accepted["run"]["id"])
        return self.get("/v1/workspaces/" + accepted["workspace"]["id"]).expect(200)

    def run(self, run_id):
        return self.get("/v1/workflows/runs/" + run_id).expect(200)

    def await_run(self, run_id, patience_s=PATIENCE_S):
        """Waits for the run's end, and gives it."""

        def ended():
            run = self.run(run_id)
            return run if run["status"] in FINAL_STATES else None

        return wait_until(ended, f"run {run_id} ends", patience_s)

    def await_completed(self, run_id):
        run = self.await_run(run_id)
        if run["status"] != "completed":
            raise AssertionError(f"run {run_id} {run['status']}: {json.dumps(run.get('error'))}\n{self.log_tail()}")
        return run

    def command(self, *words, **options):
        """Runs the command line against this hub; gives the finished process with its output as text."""
        options.setdefault("timeout", PATIENCE_S)
        options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        return subprocess.run(
            [SLIPWAY, "--data", self.data, *words], text=True, capture_output=True, check=False, env=environment, **options
        )

    def _delete_all_workspaces(self):
        """Machines outlive their hub, by design: what a test has left is taken away here."""
        if not (self.data / "client.json").exists():
            return
        if self.is_running():
            self.process.send_signal(signal.SIGCONT)
        else:
            with contextlib.suppress(AssertionError):
                self.start()
        if not self.is_running():
            return
        for workspace in self.get("/v1/workspaces?owner=all&limit=200").expect(200):
            with contextlib.suppress(AssertionError):
                if workspace.get("run_id"):
                    self.await_run(workspace["run_id"])
                if not (self.data / "sandboxes" / workspace["instance_name"]).exists():
                    continue  # of another hub on the same database: only that one can take its machine away
                accepted = self.delete("/v1/workspaces/" + workspace["id"]).expect(202)
                self.await_run(accepted["run"]["id"])
