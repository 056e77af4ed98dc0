"""Two outside worlds for builds, their templates, and what must hold between a world and the states that hubs keep.

`Files`: of a scripted template, whose things are files in a folder. `Machines`: of Terraform with the tests' provider,
whose ledger tells what exists. Each has `things()`, what is really there, `things_of(state)`, what a state knows of, and
`complaints()`, what its own record shows to have gone wrong.
"""

import collections
import json

from support.terraform import REQUIRED, Provider, machines_of

MISTAKE = "STORM_MISTAKE"

PARAMETERS = {"machines": ("number", "1"), "size": ("string", "small"), "pause": ("number", "50"),
              "mistake": ("string", "")}  # fmt: skip


def manifest(provisioner, costs=""):
    tables = "".join(
        f'[[parameters]]\nname = "{name}"\ntype = "{kind}"\ndefault = {json.dumps(value) if kind == "string" else value}\n'
        for name, (kind, value) in PARAMETERS.items()
    )
    return f'provisioner = "{provisioner}"\n{tables}{costs}'


class Files:
    """A home that stays and machines that are there after a start. Between the steps of its making it rests."""

    provisioner = "scripted"
    HOME_COST, MACHINE_COST = 2, 3

    def __init__(self, folder):
        self.folder = folder

    def template(self):
        pause = [{"delay": "${parameter.pause}ms", "make": 1}] * 3
        mistake = {"when": "${parameter.mistake}", "error": {"code": MISTAKE, "message": "it was asked for"}}
        attributes = {"size": "${parameter.size}"}
        script = {
            "world": str(self.folder),
            "resources": [
                {"type": "disk", "name": "home", "daily_cost": self.HOME_COST, "attributes": attributes},
                {"type": "machine", "name": "main", "count": "${parameter.machines}", "on": ["start"],
                 "daily_cost": self.MACHINE_COST, "attributes": attributes},
            ],
            "plan": {"start": [{"log": "planning for ${workspace.name}"}]},
            "apply": {"start": [*pause, mistake, *pause], "stop": pause, "destroy": pause},
        }  # fmt: skip
        return {"script.json": json.dumps(script), "template.toml": manifest(self.provisioner)}

    def things(self):
        if not self.folder.exists():
            return set()
        return {entry.name for entry in self.folder.iterdir() if entry.name != "journal" and entry.name[0] != "."}

    def things_of(self, state):
        return {thing["id"] for thing in json.loads(state)["things"].values() if thing["made"]}

    def perhaps_of(self, state):
        """What was announced, and may be there or not."""
        return {thing["id"] for thing in json.loads(state)["things"].values() if not thing["made"]}

    def cost_of(self, state):
        return sum(thing["daily_cost"] for thing in json.loads(state)["things"].values())

    def journal(self):
        path = self.folder / "journal"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def counts(self):
        return dict(collections.Counter(words[0] for words in self.journal()))

    def complaints(self):
        found, there = [], set()
        for what, thing, build in self.journal():
            if what == "overlap":
                found.append(f"two applies of workspace {thing} met, one of them of build {build}")
            elif what == "create" and thing in there:
                found.append(f"{thing} was made twice, then by build {build}")
            if what in ("create", "adopt"):
                there.add(thing)
            elif what == "destroy":
                there.discard(thing)
        return found


class Machines:
    """The same with Terraform: a home that stays, and machines."""

    provisioner = "terraform"
    COST = 3

    def __init__(self, folder):
        folder.mkdir()
        self.provider = Provider(folder)

    def template(self):
        known = {"slipway_workspace_name": ("string", "none"), "slipway_start_count": ("number", "1"), **PARAMETERS}
        variables = "".join(
            f'variable "{name}" {{\n  type    = {kind}\n  default = {json.dumps(value)}\n}}\n'
            for name, (kind, value) in known.items()
        )
        machines = """
resource "slipwaytest_machine" "home" {
  name = "${var.slipway_workspace_name}-home"
  size = var.size
}
resource "slipwaytest_machine" "main" {
  count    = var.slipway_start_count * var.machines
  name     = "${var.slipway_workspace_name}-${count.index}"
  size     = var.size
  delay_ms = var.pause
  fail     = var.mistake
}
"""
        costs = f'[[costs]]\nresource = "slipwaytest_machine"\ndaily = {self.COST}\n'
        return {"main.tf": REQUIRED + variables + machines, "template.toml": manifest(self.provisioner, costs)}

    def things(self):
        return set(self.provider.world())

    def things_of(self, state):
        return set(machines_of(state))

    def perhaps_of(self, state):
        return set()

    def cost_of(self, state):
        return self.COST * len(machines_of(state))

    def counts(self):
        return dict(collections.Counter(entry["op"] for entry in self.provider.entries()))

    def complaints(self):
        found, names = [], {}
        for entry in self.provider.entries():
            if entry["op"] == "create":
                if entry["name"] in names.values():
                    found.append(f"{entry['name']} was made while there was one")
                names[entry["id"]] = entry["name"]
            elif entry["op"] == "destroy":
                names.pop(entry["id"], None)
        return found
