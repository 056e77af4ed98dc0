"""A receiver of webhooks that answers as it is told, on a free port of 127.0.0.1."""

import base64
import hashlib
import hmac
import http.server
import json
import threading


class Message:
    def __init__(self, path, headers, text):
        self.path = path
        self.headers = headers
        self.text = text
        self.id = headers["webhook-id"]

    @property
    def json(self):
        return json.loads(self.text)

    def is_signed_with(self, secret):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.{self.text}".encode()
        wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return wanted in self.headers["webhook-signature"].split(" ")


class Receiver:
    """`answer(message, handler)` answers; without one, 204. What a handler writes itself ends with returning None."""

    def __init__(self, answer=None):
        self.messages = []
        self.answer = answer or (lambda message, handler: 204)
        self._lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                message = Message(self.path, self.headers, text)
                with receiver._lock:
                    receiver.messages.append(message)
                status = receiver.answer(message, self)
                if status is None:
                    return
                status, headers = status if isinstance(status, tuple) else (status, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 200

            def handle_error(self, *_):
                pass  # the hub was killed: its connection broke

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self):
        return self._server.server_port

    def url(self, path="/hook", host="127.0.0.1"):
        return f"http://{host}:{self.port}{path}"

    def got(self, path=None, event=None):
        with self._lock:
            messages = list(self.messages)
        return [m for m in messages if (path is None or m.path == path) and (event is None or m.json["type"] == event)]

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
