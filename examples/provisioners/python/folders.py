#!/usr/bin/env python3
"""A provisioner in Python, without packages: its machines are folders.

It speaks the protocol of docs/provisioners.md on stdin and stdout. A template for it has a file machines.json:

    {"machines": [{"name": "main", "only": ["start"], "credits": 5, "files": {"motd": "hello ${parameter.name}"}}]}

`only` (default: start and stop) says after which transitions a machine is there. The template variable `root` says where
the folders are made. A state is written before anything is made and after everything that was made, and nothing is made
before the daemon has kept it: whenever this program dies, the state knows what may be there. Ids come from the workspace
and the machine's name, so that the same apply may be done again: the provisioner is `repeatable`.
"""

import hashlib
import json
import os
import pathlib
import queue
import re
import shutil
import sys
import threading

PROTOCOL = 1


class Failure(Exception):
    """Ends a request; becomes the `error` of its completion."""

    def __init__(self, code, error_class, message):
        super().__init__(message)
        self.problem = {"code": code, "errorClass": error_class, "message": message}


class Wire:
    """Messages as lines. A thread reads, so that a cancel is seen while something is done."""

    def __init__(self):
        self.requests = queue.Queue()
        self.cancelled = threading.Event()
        self.kept = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in sys.stdin:
            message = json.loads(line)
            if message["type"] == "cancel":
                self.cancelled.set()
            elif message["type"] == "stateKept":
                self.kept.put(True)
            else:
                if message["type"] != "config":
                    self.cancelled.clear()
                self.requests.put(message)
        # The daemon has closed the session, or is gone: what is under way ends as if it were cancelled.
        self.cancelled.set()
        self.kept.put(False)
        self.requests.put(None)

    def send(self, kind, **members):
        sys.stdout.write(json.dumps({"type": kind, **members}) + "\n")
        sys.stdout.flush()

    def log(self, text, level="info"):
        self.send("log", level=level, output=text)

    def keep(self, file):
        """Announces a state, and waits until it is kept."""
        self.send("stateWritten", file=str(file))
        if not self.kept.get():
            self.kept.put(False)
            raise Failure("CANCELLED", "user", "nobody is left to keep the state")

    def check_cancelled(self):
        if self.cancelled.is_set():
            raise Failure("CANCELLED", "user", "the request was cancelled")


class Folders:
    def __init__(self, wire, config):
        self.wire = wire
        self.directory = pathlib.Path(config["directory"])
        self.state_file = self.directory / "folders.state.json"
        self.state = {"machines": {}}  # by id: {"name", "root", "credits", "made"}
        if config.get("stateFile"):
            self.state = json.loads(pathlib.Path(config["stateFile"]).read_text())
        self.changes = []  # (action, id, machine) of the last plan

    def parse(self, _request):
        self.read_template()
        return {"parsed": {"variables": [
            {"name": "root", "type": "string", "description": "where the folders are made", "required": True}]}}

    def read_template(self):
        try:
            machines = json.loads((self.directory / "machines.json").read_text())["machines"]
            for machine in machines:
                check_machine(machine)
            return machines
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Failure("TEMPLATE_INVALID", "user", f"machines.json: {error!r}") from error

    def plan(self, request):
        metadata = request["metadata"]
        variables = {v["name"]: v["value"] for v in request["variables"]}
        if "root" not in variables:
            raise Failure("REQUIRED_TEMPLATE_VARIABLES", "user", "the template needs a value for the variable root")
        values = {"workspace.name": metadata["workspaceName"], "owner.name": metadata["ownerName"]}
        values.update({"parameter." + p["name"]: p["value"] for p in request["parameters"]})
        self.changes = []
        rest = dict(self.state["machines"])
        for machine in self.read_template():
            if metadata["transition"] not in machine.get("only", ["start", "stop"]):
                continue
            name = machine["name"]
            key = hashlib.sha256(f"{metadata['workspaceId']}/{name}".encode()).hexdigest()[:16]
            wanted = {"name": name, "root": variables["root"], "credits": machine.get("credits", 0),
                      "files": {file: expand(text, values) for file, text in machine.get("files", {}).items()}}
            there = rest.pop(key, None)
            if there is None or not there["made"]:
                action = "create"
            else:
                action = "none" if there["files"] == wanted["files"] else "update"
            self.changes.append((action, key, wanted))
        self.changes += [("destroy", key, machine) for key, machine in rest.items()]
        return {"resources": [resource(action, machine) for action, _, machine in self.changes]}

    def apply(self, _request):
        result = {"outputs": {}}
        try:
            self.announce()
            for action, key, machine in self.changes:
                self.wire.check_cancelled()
                self.carry_out(action, key, machine)
            for machine in self.state["machines"].values():
                result["outputs"]["folder of " + machine["name"]] = machine["folder"]
        except Failure as failure:
            result["error"] = failure.problem  # with what is there by now
        except OSError as error:
            result["error"] = {"code": "FOLDER_FAILED", "errorClass": "internal", "message": str(error)}
        self.changes = []
        result["resources"] = [resource("none", m) for m in self.state["machines"].values() if m["made"]]
        self.write_state()
        return {**result, "stateFile": str(self.state_file)}

    def announce(self):
        """Whoever finds this state later knows what may be there."""
        new = [(key, machine) for action, key, machine in self.changes if action == "create"]
        for key, machine in new:
            # One that was announced before may be there, wherever the root is now.
            before = self.state["machines"].get(key)
            folder = before["folder"] if before else str(pathlib.Path(machine["root"]) / key)
            self.state["machines"][key] = {**machine, "folder": folder, "made": False}
        if new:
            self.write_state()
            self.wire.keep(self.state_file)

    def carry_out(self, action, key, machine):
        if action == "none":
            return
        folder = pathlib.Path(self.state["machines"][key]["folder"])
        if action == "destroy":
            if folder.exists():
                shutil.rmtree(folder)
            del self.state["machines"][key]
        else:
            folder.mkdir(parents=True, exist_ok=True)
            for file, text in machine["files"].items():
                (folder / pathlib.PurePath(file).name).write_text(text)
            self.state["machines"][key] = {**machine, "folder": str(folder), "made": True}
        self.wire.log(f"{machine['name']}: {action} done")
        self.write_state()
        self.wire.keep(self.state_file)

    def write_state(self):
        following = self.state_file.with_suffix(".next")
        following.write_text(json.dumps(self.state))
        os.replace(following, self.state_file)


def check_machine(machine):
    if not isinstance(machine, dict) or not isinstance(machine.get("name"), str) or not machine["name"]:
        raise ValueError(f"{machine!r} is no machine: it needs a name")
    files = machine.get("files", {})
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        raise ValueError(f"the files of {machine['name']} must be texts by name")
    if not isinstance(machine.get("only", []), list) or not isinstance(machine.get("credits", 0), int):
        raise ValueError(f"of {machine['name']}, 'only' must be a list, and 'credits' a whole number")


def expand(text, values):
    def value(match):
        if match[1] not in values:
            raise Failure("MISSING_TEMPLATE_PARAMETER", "user", f"the template needs a value for {match[1]}")
        return values[match[1]]

    return re.sub(r"\$\{([\w.-]+)\}", value, text)


def resource(action, machine):
    return {"address": "folder." + machine["name"], "type": "folder", "name": machine["name"], "action": action,
            "dailyCost": 0 if action == "destroy" else machine["credits"], "details": {}}


def main():
    wire = Wire()
    wire.send("hello", protocol=PROTOCOL, provisioner="folders", version="1.0", repeatable=True)
    folders = None
    while (request := wire.requests.get()) is not None:
        kind = request["type"]
        if kind == "config":
            folders = Folders(wire, request)
            continue
        try:
            answer = getattr(folders, {"parse": "parse", "plan": "plan", "apply": "apply"}[kind])(request)
        except Failure as failure:
            answer = {"error": failure.problem}
        wire.send(kind + "Complete", **answer)


if __name__ == "__main__":
    main()
