"""Who may open a websocket to a workspace: keys, tickets for browsers, and nobody else."""

import base64
import os
import pathlib
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub  # noqa: E402


class ConnectTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        cls.hub.__enter__()
        cls.addClassCleanup(cls.hub.__exit__, None, None, None)
        cls.here = cls.hub.create_workspace("here")["id"]
        cls.elsewhere = cls.hub.create_workspace("elsewhere")["id"]

    def upgrade(self, workspace, headers):
        """Gives the head of the answer to an upgrade."""
        fields = {
            "Host": f"127.0.0.1:{self.hub.port}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **headers,
        }
        lines = [f"GET /v1/workspaces/{workspace}/connect HTTP/1.1", *(f"{name}: {fields[name]}" for name in fields)]
        with socket.create_connection(("127.0.0.1", self.hub.port), timeout=60) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            head = b""
            while b"\r\n\r\n" not in head and (piece := connection.recv(4096)):
                head += piece
        return head.decode()

    def ticket(self, workspace):
        answer = self.hub.post(f"/v1/workspaces/{workspace}/connect-ticket", {}).expect(201)
        self.assertEqual(answer["protocols"][0], "slipway.v1")
        return {"Sec-WebSocket-Protocol": ", ".join(answer["protocols"])}

    def own(self):
        return {"Origin": f"http://127.0.0.1:{self.hub.port}"}

    def assert_status(self, status, head):
        self.assertTrue(head.startswith(f"HTTP/1.1 {status} "), head)

    def test_a_ticket_opens_one_connection(self):
        offers = self.ticket(self.here)
        head = self.upgrade(self.here, {**offers, **self.own()})
        self.assert_status(101, head)
        self.assertIn("Sec-WebSocket-Protocol: slipway.v1\r\n", head)
        self.assertNotIn("slt_", head)
        self.assert_status(401, self.upgrade(self.here, {**offers, **self.own()}))

    def test_a_ticket_is_for_its_workspace_only(self):
        offers = self.ticket(self.here)
        self.assert_status(401, self.upgrade(self.elsewhere, {**offers, **self.own()}))
        self.assert_status(101, self.upgrade(self.here, {**offers, **self.own()}))

    def test_who_has_neither_key_nor_ticket_is_not_let_in(self):
        self.assert_status(401, self.upgrade(self.here, {}))
        self.assert_status(401, self.upgrade(self.here, {"Authorization": "Bearer slk_wrong"}))
        self.assert_status(401, self.upgrade(self.here, {"Sec-WebSocket-Protocol": "slipway.v1, slipway.ticket.slt_wrong"}))
        self.assert_status(401, self.upgrade(self.here, {"Sec-WebSocket-Protocol": ",, ,slipway.ticket."}))

    def test_a_page_of_another_site_is_refused_and_its_ticket_is_not_used_up(self):
        offers = self.ticket(self.here)
        for origin in ("http://evil.example", "null", f"http://127.0.0.1:{self.hub.port}.evil.example"):
            self.assert_status(403, self.upgrade(self.here, {**offers, "Origin": origin}))
        self.assert_status(101, self.upgrade(self.here, {**offers, **self.own()}))

    def test_a_key_opens_without_a_ticket(self):
        self.assert_status(101, self.upgrade(self.here, {"Authorization": f"Bearer {self.hub.key}"}))

    def test_a_ticket_is_given_for_what_the_caller_may_reach_only(self):
        other = self.hub.post("/v1/api-keys", {"name": "other"}).expect(201)["key"]
        path = f"/v1/workspaces/{self.here}/connect-ticket"
        self.hub.post(path, {}, key=other).expect_error(404, "NOT_FOUND")
        self.hub.post("/v1/workspaces/no-uuid/connect-ticket", {}).expect_error(404, "NOT_FOUND")

    def test_a_ticket_is_audited_without_itself(self):
        self.ticket(self.here)
        entries = self.hub.get("/v1/audit").text
        self.assertIn("workspace.connect-ticket", entries)
        self.assertNotIn("slt_", entries)


if __name__ == "__main__":
    unittest.main()
