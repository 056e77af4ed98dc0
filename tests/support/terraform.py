"""Terraform for tests: sessions with `slipway provisioner terraform`, the tests' provider, and a keeper of states that
speaks the protocol of Terraform's `http` backend."""

import base64
import contextlib
import http.server
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import threading

HERE = pathlib.Path(__file__).parent / "terraform_provider"
ADDRESS = "tests.invalid/slipway/slipwaytest"
REQUIRED = 'terraform {\n  required_providers {\n    slipwaytest = { source = "%s" }\n  }\n}\n' % ADDRESS


def missing():
    """What of Terraform's tests the machine lacks, in words; or None."""
    for program in ("terraform", "protoc"):
        if shutil.which(program) is None:
            return f"there is no {program} on this machine"
    return None


class Provider:
    """The tests' provider, installed into `folder`, and its ledger."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.ledger = self.folder / "ledger"
        subprocess.run(["protoc", f"--proto_path={HERE}", f"--python_out={self.folder}", "plugin.proto"], check=True)
        program = self.folder / "mirror" / ADDRESS / "1.0.0" / "linux_amd64" / "terraform-provider-slipwaytest_v1.0.0"
        program.parent.mkdir(parents=True)
        program.write_text(
            f"#!/bin/sh\nPYTHONPATH='{self.folder}' PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 '{HERE}/provider.py'\n"
        )
        program.chmod(0o755)
        self.config = self.folder / "terraform.rc"
        self.config.write_text(
            f'provider_installation {{\n  filesystem_mirror {{\n    path = "{self.folder}/mirror"\n  }}\n}}\n'
        )

    def environment(self):
        return {
            "TF_CLI_CONFIG_FILE": str(self.config),
            "TF_DISABLE_PLUGIN_TLS": "1",
            "MACHINE_LEDGER": str(self.ledger),
        }

    def entries(self):
        if not self.ledger.exists():
            return []
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]

    def world(self):
        """Names of the machines that exist, by id."""
        machines = {}
        for entry in self.entries():
            if entry["op"] == "create":
                machines[entry["id"]] = entry["name"]
            elif entry["op"] == "destroy":
                machines.pop(entry["id"], None)
        return machines

    def remove_behind_its_back(self, machine):
        with open(self.ledger, "a", encoding="utf-8") as ledger:
            ledger.write(json.dumps({"op": "destroy", "id": machine}) + "\n")


def machines_of(state):
    """Names of the machines in a state, by id."""
    machines = {}
    for resource in json.loads(state or "{}").get("resources", []):
        if resource["type"] == "slipwaytest_machine":
            for instance in resource["instances"]:
                machines[instance["attributes"]["id"]] = instance["attributes"]["name"]
    return machines


class StateKeeper:
    """One state, its lock, and everything that was asked for."""

    def __init__(self, state=None):
        self.state, self.lock, self.calls, self.states = state, None, [], []
        self.outage = threading.Event()  # set: every answer is that of a proxy
        self.outage_status = 503
        self.changed = threading.Condition()
        keeper = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, answer = keeper.answer(self.command, self.path, self.headers, body.decode())
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer.encode())

            do_GET = do_POST = do_LOCK = do_UNLOCK = handle_any  # noqa: N815

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None  # clients that were killed
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def backend(self):
        port = self.server.server_address[1]
        return {"address": f"http://127.0.0.1:{port}/state", "username": "job", "password": "pass", "caFile": ""}

    def answer(self, method, path, headers, body):
        with self.changed:
            self.calls.append(method)
            self.changed.notify_all()
            if self.outage.is_set():
                return self.outage_status, "<html>Try again later.</html>"
            if headers["Authorization"] != "Basic " + base64.b64encode(b"job:pass").decode():
                return 401, ""
            return self.obey(method, path, body)

    def obey(self, method, path, body):
        if method == "GET":
            return (200, self.state) if self.state else (204, "")
        if method == "LOCK":
            if self.lock and self.lock["ID"] != json.loads(body)["ID"]:
                return 423, json.dumps(self.lock)
            self.lock = json.loads(body)
            return 200, ""
        if method == "UNLOCK":
            self.lock = None
            return 200, ""
        if not self.lock or not path.endswith("?ID=" + self.lock["ID"]):
            return 409, ""
        self.state = body
        self.states.append(body)
        return 200, ""

    def wait_until(self, condition):
        with self.changed:
            if not self.changed.wait_for(condition, timeout=60):
                raise AssertionError("the state did not come")

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def descendants(pid):
    """Of a process: all that it has started, directly or not."""
    parents = {}
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found, new = set(), {pid}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in new} - found
    return found - {pid}


class Session:
    """`slipway provisioner terraform`, one session."""

    def __init__(self, folder, environment, **config):
        self.messages, self.seen, self.states = queue.Queue(), [], []
        self.process = subprocess.Popen(
            [os.environ["SLIPWAY_BIN"], "provisioner", "terraform"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | environment, start_new_session=True,
        )  # fmt: skip
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.send("config", protocol=1, directory=str(folder), **config)

    def read(self):
        for line in self.process.stdout:
            self.messages.put(json.loads(line))
        self.messages.put(None)

    def send(self, kind, **members):
        self.process.stdin.write((json.dumps({"type": kind, **members}) + "\n").encode())
        self.process.stdin.flush()

    def wait_for(self, wanted):
        """The next message of which `wanted` (a type, or a function) holds."""
        while True:
            message = self.messages.get(timeout=120)
            if message is None:
                raise AssertionError("the session has ended:\n" + self.log())
            self.seen.append(message)
            if message["type"] == "stateWritten":
                self.states.append(pathlib.Path(message["file"]).read_text())
                self.send("stateKept")
            if wanted(message) if callable(wanted) else message["type"] == wanted:
                return message

    def wait_for_line(self, text):
        return self.wait_for(lambda message: message["type"] == "log" and text in message["output"])

    def log(self):
        return "\n".join(message["output"] for message in self.seen if message["type"] == "log")

    def plan(self, transition="start", parameters=(), **metadata):
        values = [{"name": name, "value": value} for name, value in dict(parameters).items()]
        self.send("plan", metadata={"transition": transition, "workspaceName": "mine", **metadata}, parameters=values)
        return self.wait_for("planComplete")

    def apply(self):
        self.send("apply")
        return self.wait_for("applyComplete")

    def close(self):
        """Ends it gently, and waits for it."""
        self.process.stdin.close()
        code = self.process.wait(timeout=120)
        self.reader.join()
        self.process.stdout.close()
        return code

    def kill(self):
        """Ends it and all that it has started, as when the machine dies: none lives to see how another ends."""
        family = [self.process.pid, *descendants(self.process.pid)]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        self.process.wait()
        self.process.stdin.close()
        self.reader.join()
        self.process.stdout.close()
