"""Builds by Terraform of two machines, one after the other, with the tests' provider. Mixed into a test case that has a `hub`
and a `provider`."""

import json
import uuid

from . import terraform
from .hub import wait_until
from .templates import push
from .terraform import machines_of


def machines(**of_b):
    """A template: machine b, with further attributes, comes after machine a."""
    attributes = "".join(f"  {name} = {json.dumps(value)}\n" for name, value in of_b.items())
    return {
        "main.tf": terraform.REQUIRED + f"""
variable "slipway_start_count" {{
  type    = number
  default = 1
}}
resource "slipwaytest_machine" "a" {{
  name = "a"
}}
resource "slipwaytest_machine" "b" {{
  name       = "b"
  depends_on = [slipwaytest_machine.a]
{attributes}}}
"""
    }


class TerraformBuilds:
    def push_machines(self, **of_b):
        """Gives the template's name."""
        name = f"m-{uuid.uuid4().hex[:8]}"
        self.hub.await_completed(push(self.hub, name, machines(**of_b), "terraform")["run"]["id"])
        return name

    def build(self, template):
        """Asks for a workspace; gives its id and the run that makes it."""
        accepted = self.hub.post("/v1/workspaces", {"name": template, "from_template": template}).expect(202)
        return accepted["workspace"]["id"], accepted["run"]["id"]

    def await_begun(self, name):
        begun = lambda: any(e["op"] == "begin" and e["name"] == name for e in self.provider.entries())  # noqa: E731
        wait_until(begun, f"{name} is being made")

    def state_is_the_world(self, workspace):
        state = self.hub.get(f"/v1/workspaces/{workspace}/state")
        return state.status == 200 and machines_of(state.text) == self.provider.world()

    def assert_made_once_by_terraform(self, workspace):
        """All that is there is in the state."""
        state = self.hub.get(f"/v1/workspaces/{workspace}/state").text
        self.assertEqual(machines_of(state), self.provider.world())
        created = [entry["name"] for entry in self.provider.entries() if entry["op"] == "create"]
        self.assertEqual(sorted(created), ["a", "b"])
