"""A machine that a template makes calls the hub with the token that its start was given: then it is got into as others."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import terraform  # noqa: E402
from support.hub import Hub, wait_until  # noqa: E402
from support.templates import push  # noqa: E402

# The machine is a process; it begins with nothing but the hub's address and the token.
MACHINE = """
variable "folder" { type = string }
variable "slipway_start_count" { type = number }
variable "slipway_hub_url" { type = string }
variable "slipway_agent_token" {
  type      = string
  sensitive = true
}

resource "terraform_data" "machine" {
  count = var.slipway_start_count
  input = var.folder

  provisioner "local-exec" {
    command = <<-EOT
      set -eu
      cd "$FOLDER"
      rm -f slipway-agent # which the one before may not have left yet
      curl -fsS -o slipway-agent -H "Authorization: Bearer $TOKEN" "$HUB/v1/agent/program"
      chmod +x slipway-agent
      printf %s "$TOKEN" > token
      echo "the token is $TOKEN"
      setsid env -i PATH="$PATH" \
        ./slipway-agent run --hub-url "$HUB" --token-file token --state-dir state --home "$FOLDER" >log 2>&1 </dev/null &
      echo $! > pid
    EOT
    environment = { FOLDER = var.folder, HUB = var.slipway_hub_url, TOKEN = nonsensitive(var.slipway_agent_token) }
  }
  provisioner "local-exec" {
    when        = destroy
    command     = "kill $(cat pid)"
    working_dir = self.input
  }
}
"""


@unittest.skipIf(terraform.missing(), f"SKIPPED: {terraform.missing()}")
class BuiltAgentTest(unittest.TestCase):
    def setUp(self):
        self.hub = self.enterContext(Hub(options=["--embedded-runners", 1]))
        self.folder = self.hub.folder / "machine"
        self.folder.mkdir()
        pushed = push(self.hub, "machine", {"main.tf": MACHINE}, "terraform", variables={"folder": str(self.folder)})
        self.hub.await_completed(pushed["run"]["id"])

    def build(self, accepted):
        self.hub.await_completed(accepted.expect(202)["run"]["id"])

    def agent(self):
        return self.hub.get(f"/v1/workspaces/{self.id}/status").expect(200)["agent"]["connected"]

    def test_it_is_got_into_while_it_is_started(self):
        made = self.hub.post("/v1/workspaces", {"name": "made", "from_template": "machine"})
        self.id = made.expect(202)["workspace"]["id"]
        self.build(made)
        wait_until(self.agent, "the agent has called")
        said = self.hub.command("exec", "made", "--", "sh", "-c", "echo kept > note; pwd")
        self.assertEqual(said.stdout.strip(), str(self.folder), said.stderr)

        # RUN-17: the machine's token is in no log.
        job = self.hub.get(f"/v1/workspaces/{self.id}/builds").expect(200)[0]["jobId"]
        lines = [line["output"] for line in self.hub.get(f"/v1/jobs/{job}/logs?limit=1000").expect(200)["lines"]]
        self.assertTrue(any("the token is *redacted*" in line for line in lines), lines)
        token = (self.folder / "token").read_text()
        self.assertFalse(any(token in line for line in lines))

        # A machine that lost what its agent had kept comes again with its token.
        asked = lambda shown: self.hub.get("/v1/agent/program", key=shown).status  # noqa: E731
        self.assertEqual((asked(token), asked("slat_wrong")), (200, 401))

        self.build(self.hub.post(f"/v1/workspaces/{self.id}/stop"))
        wait_until(lambda: not self.agent(), "the agent is gone")
        self.assertEqual(asked(token), 401, "what is stopped has no token")

        self.build(self.hub.post(f"/v1/workspaces/{self.id}/start"))
        wait_until(self.agent, "the agent has called again")
        self.assertEqual(self.hub.command("exec", "made", "--", "cat", "note").stdout, "kept\n")
        self.build(self.hub.delete(f"/v1/workspaces/{self.id}"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
