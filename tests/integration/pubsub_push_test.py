"""Orders that Pub/Sub pushes, with tokens as Google signs them: keys and signatures are OpenSSL's (WP-1)."""

import base64
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.cloud import PROJECT, SUBSCRIPTION, Cloud  # noqa: E402
from support.hub import Hub, wait_until  # noqa: E402

AUDIENCE = "https://hub.example.com/v1/pubsub/push"
ACCOUNT = "pusher@test-project.iam.gserviceaccount.com"
ORDER = {"user_id": "ann", "org_id": "acme", "tier": "starter", "user_email": "ann@example.com"}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs tokens, and serves its public keys."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-issuer-"))
        self.keys = {"first": self._make_key("first")}
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps({"keys": list(issuer.keys.values())}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Cache-Control", "public, max-age=3600")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/certs"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make_key(self, name):
        file = self.folder / f"{name}.pem"
        subprocess.run(["openssl", "genrsa", "-out", file, "2048"], check=True, capture_output=True)
        modulus = subprocess.run(
            ["openssl", "rsa", "-in", file, "-noout", "-modulus"], check=True, capture_output=True, text=True
        ).stdout.strip().split("=")[1]  # fmt: skip
        return {
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": name, "e": "AQAB",
            "n": base64url(bytes.fromhex(modulus)),
        }  # fmt: skip

    def token(self, key="first", signed_by="first", **claims):
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com", "aud": AUDIENCE, "sub": "1", "email": ACCOUNT, "email_verified": True,
            "iat": now, "exp": now + 3600, **claims,
        }  # fmt: skip
        head = {"alg": "RS256", "typ": "JWT", "kid": key}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.folder / f"{signed_by}.pem"],
            input=signed.encode(), check=True, capture_output=True,
        ).stdout  # fmt: skip
        return f"{signed}.{base64url(signature)}"


class PubsubPushTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.issuer = Issuer()
        cls.addClassCleanup(cls.issuer.close)
        cls.cloud = cls.enterClassContext(Cloud(configs=True))
        config = cls.cloud.write_config(
            pubsub={
                "pull": False, "push_audience": AUDIENCE, "push_service_account": ACCOUNT,
                "push_keys_url": cls.issuer.url,
            }
        )  # fmt: skip
        cls.hub = cls.enterClassContext(Hub(options=["--cloud", config]))

    def push(self, message_id, data, token="good", hub=None, **body):
        text = data if isinstance(data, bytes) else json.dumps(data).encode()
        message = {
            "data": base64.b64encode(text).decode(), "messageId": message_id, "message_id": message_id,
            "publishTime": "2025-01-12T10:00:00.5Z", "publish_time": "2025-01-12T10:00:00.5Z", "attributes": {"a": "b"},
        }  # fmt: skip
        sent = {"message": message, "subscription": f"projects/{PROJECT}/subscriptions/{SUBSCRIPTION}", **body}
        token = self.issuer.token() if token == "good" else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return (hub or self.hub).post("/v1/pubsub/push", sent, key=None, headers=headers)

    def received(self, message_id):
        messages = self.hub.get("/v1/messages?limit=200").expect(200)
        return next((message for message in messages if message["messageId"] == message_id), None)

    def test_wp01_a_push_is_answered_when_its_run_is_durable(self):
        self.assertEqual(self.push("p1", ORDER).status, 204)
        message = self.received("p1")
        self.assertEqual(message["outcome"], "accepted")
        self.assertEqual(message["publishedAt"], "2025-01-12T10:00:00.500Z")
        self.hub.await_completed(message["runId"])

    def test_wp01_a_push_again_starts_nothing(self):
        self.assertEqual([self.push("p2", ORDER).status for _ in range(3)], [204] * 3)
        self.assertEqual(self.received("p2")["deliveries"], 3)

    def test_wp01_pushes_at_the_same_time_are_one_run(self):
        token, answers = self.issuer.token(), []
        threads = [
            threading.Thread(target=lambda: answers.append(self.push("p3", ORDER, token).status)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [204] * 8)
        self.assertEqual(self.received("p3")["deliveries"], 8)

    def test_wp01_what_can_never_work_is_not_pushed_again(self):
        self.assertEqual(self.push("p4", b"{").status, 204)
        self.assertEqual(self.received("p4")["reason"], "not_json")

    def test_a_push_needs_a_token_of_the_right_account_for_the_right_audience(self):
        now = int(time.time())
        self.issuer._make_key("stranger")
        wrong = {
            "none": None,
            "no token": "abc",
            "two parts": ".".join(self.issuer.token().split(".")[:2]) + ".",
            "audience": self.issuer.token(aud="https://elsewhere.example.com"),
            "account": self.issuer.token(email="other@test-project.iam.gserviceaccount.com"),
            "not verified": self.issuer.token(email_verified=False),
            "issuer": self.issuer.token(iss="https://accounts.example.com"),
            "expired": self.issuer.token(iat=now - 7200, exp=now - 3600),
            "another's signature": self.issuer.token(signed_by="stranger"),
            "unknown key": self.issuer.token(key="stranger", signed_by="stranger"),
            "a hub's key": self.hub.key,
        }
        for name, token in wrong.items():
            with self.subTest(name):
                answer = self.push("p5", ORDER, token)
                answer.expect_error(401, "UNAUTHORIZED")
                if token and len(token) > 20:
                    self.assertNotIn(token, answer.text + self.hub.log())
        self.assertIsNone(self.received("p5"))

    def test_what_is_no_push_is_refused(self):
        self.push("p6", ORDER, subscription="projects/p/subscriptions/another").expect_error(400, "VALIDATION_ERROR")
        self.push("p6", ORDER, message={"data": "%"}).expect_error(400, "VALIDATION_ERROR")
        self.push("p6", ORDER, message={"data": "e30="}).expect_error(400, "VALIDATION_ERROR")
        self.push("p6", ORDER, message=None).expect_error(400, "VALIDATION_ERROR")
        self.assertIsNone(self.received("p6"))

    def test_either_spelling_of_the_message_is_read(self):
        data = base64.b64encode(json.dumps(ORDER).encode()).decode()
        self.assertEqual(self.push("", ORDER, message={"data": data, "message_id": "p7"}).status, 204)
        self.assertEqual(self.push("", ORDER, message={"data": data, "messageId": "p8"}).status, 204)
        self.assertTrue(self.received("p7") and self.received("p8"))

    def test_without_configuration_there_is_no_such_endpoint(self):
        with Hub() as hub:
            self.push("p9", ORDER, hub=hub).expect_error(404, "NOT_FOUND")

    def test_wp01_a_hub_that_was_killed_knows_what_was_pushed(self):
        config = self.cloud.write_config(
            self.cloud.folder / "killed.toml",
            pubsub={
                "pull": False, "push_audience": AUDIENCE, "push_service_account": ACCOUNT,
                "push_keys_url": self.issuer.url,
            },
        )  # fmt: skip
        with Hub(options=["--cloud", config]) as hub:
            self.assertEqual(self.push("p10", ORDER, hub=hub).status, 204)
            hub.kill()
            hub.start()
            wait_until(lambda: self.push("p10", ORDER, hub=hub).status == 204, "it takes pushes again")
            messages = hub.get("/v1/messages").expect(200)
            self.assertEqual([message["messageId"] for message in messages], ["p10"])
            self.assertEqual(messages[0]["deliveries"], 2)
            hub.await_completed(messages[0]["runId"])


if __name__ == "__main__":
    unittest.main()
