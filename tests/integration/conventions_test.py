"""What holds for every route: rates, compression, pages of other origins, traces."""

import gzip
import http.client
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.hub import Hub  # noqa: E402

TRACE = "0af7651916cd43dd8448eb211c80319c"


def raw(hub, method, path, headers=None, body=None, key=True):
    """Status, headers and bytes as they came: nothing is decoded."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
    try:
        sent = {"Authorization": f"Bearer {hub.key}"} if key else {}
        connection.request(method, path, body=body, headers={**sent, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


class ConventionsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub(options=["--cors-origin", "https://portal.example.com"])
        cls.hub.__enter__()
        cls.addClassCleanup(cls.hub.__exit__, None, None, None)

    def test_answers_are_compressed_for_who_takes_it(self):
        for path in ("/openapi.json", "/", "/style.css"):
            status, plain_headers, plain = raw(self.hub, "GET", path)
            self.assertEqual(status, 200)
            self.assertIsNone(plain_headers["Content-Encoding"])
            for _ in range(2):  # the second one comes from what was kept
                status, headers, packed = raw(self.hub, "GET", path, {"Accept-Encoding": "gzip"})
                self.assertEqual(headers["Content-Encoding"], "gzip")
                self.assertIn("Accept-Encoding", headers.get_all("Vary"))
                self.assertEqual(headers["ETag"], plain_headers["ETag"])
                self.assertEqual(int(headers["Content-Length"]), len(packed))
                self.assertLess(len(packed), len(plain))
                self.assertEqual(gzip.decompress(packed), plain)
        status, headers, body = raw(self.hub, "GET", "/v1/me", {"Accept-Encoding": "gzip"})
        self.assertIsNone(headers["Content-Encoding"])  # too small to gain anything
        json.loads(body)

    def test_only_pages_of_named_origins_may_use_the_api(self):
        ask = {"Origin": "https://portal.example.com", "Access-Control-Request-Method": "POST"}
        status, headers, _ = raw(self.hub, "OPTIONS", "/v1/workspaces", ask, key=False)
        self.assertEqual(status, 204)
        self.assertEqual(headers.get_all("Access-Control-Allow-Origin"), ["https://portal.example.com"])  # once
        self.assertIn("Authorization", headers["Access-Control-Allow-Headers"])
        ask["Origin"] = "https://evil.example.com"
        _, headers, _ = raw(self.hub, "OPTIONS", "/v1/workspaces", ask, key=False)
        self.assertIsNone(headers["Access-Control-Allow-Origin"])
        _, headers, _ = raw(self.hub, "GET", "/v1/me", {"Origin": "https://portal.example.com"})
        self.assertEqual(headers["Access-Control-Allow-Origin"], "https://portal.example.com")
        self.assertIn("ETag", headers["Access-Control-Expose-Headers"])
        _, headers, _ = raw(self.hub, "GET", "/v1/me", {"Origin": "https://evil.example.com"})
        self.assertIsNone(headers["Access-Control-Allow-Origin"])

    # WF-49
    def test_a_run_belongs_to_the_trace_of_its_request(self):
        sent = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "vendor=1"}
        status, _, body = raw(self.hub, "POST", "/v1/workspaces", sent, json.dumps({"name": "traced"}))
        self.assertEqual(status, 202)
        run = json.loads(body)["data"]["run"]
        self.assertEqual(run["traceId"], TRACE)
        self.assertEqual(self.hub.await_completed(run["id"])["traceId"], TRACE)
        for wrong in ("", "00-0-0-0", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "x" * 500):
            status, _, body = raw(self.hub, "POST", "/v1/workspaces/traced/nothing", {"traceparent": wrong}, "{}")
            self.assertEqual(status, 404)


class RatesTest(unittest.TestCase):
    # WF-48
    def test_a_caller_that_asks_too_often_is_told_when_to_come_again(self):
        with Hub(options=["--rate-limit", "20/1h"]) as hub:
            key = hub.post("/v1/api-keys", {"name": "eager"}).expect(201)["key"]
            eager = {"Authorization": f"Bearer {key}"}
            status, headers, _ = raw(hub, "GET", "/v1/me", eager)
            self.assertEqual(status, 200)
            self.assertEqual(headers["RateLimit-Policy"], '"default";q=20;w=3600')
            self.assertRegex(headers["RateLimit"], r'^"default";r=19;t=\d+$')
            seen = [raw(hub, "GET", "/v1/me", eager)[0] for _ in range(30)]
            self.assertEqual(seen[-1], 429)
            status, headers, body = raw(hub, "GET", "/v1/workspaces", eager)
            self.assertEqual(status, 429)
            self.assertEqual(json.loads(body)["error"]["code"], "RATE_LIMITED")
            self.assertGreater(int(headers["Retry-After"]), 60)
            self.assertIn("r=0", headers["RateLimit"])
            # It is that caller's limit only.
            self.assertEqual(raw(hub, "GET", "/v1/me")[0], 200)
            self.assertEqual(raw(hub, "GET", "/health", key=False)[0], 200)


if __name__ == "__main__":
    unittest.main()
