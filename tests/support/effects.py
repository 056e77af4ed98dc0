"""The outside that chaos runs act on: it counts by idempotency key, and forgets requests and answers at random.

One call is one connection to a Unix socket: `VERB LIFE KEY THING`, and one line of answer. Verbs: make, refuse (a make
that never works), remove, look, choose, confirm:NUMBER.
"""

import collections
import dataclasses
import random
import socketserver
import threading
import time


@dataclasses.dataclass
class Call:
    at: float  # seconds since 1970, when it came
    verb: str
    life: str  # of which process
    key: str
    lost: bool  # the request or its answer never arrived: the caller must try again


class Effects:
    def __init__(self, path, seed):
        self.path = str(path)
        self.lock = threading.Lock()
        self.random = random.Random(seed)
        self.trouble = 0.0
        self.calls = collections.defaultdict(list)  # by thing
        self.made = collections.defaultdict(collections.Counter)  # thing: {key: how often its effect happened}
        self.present = set()
        self.chosen = collections.defaultdict(set)  # thing: numbers that were given
        self.confirmed = collections.defaultdict(set)  # thing: numbers that came back
        self._count = 0
        effects = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                answer = effects.answer(self.rfile.readline().decode().split())
                if answer:
                    self.wfile.write(answer.encode() + b"\n")

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request, address):
                """A caller that died in the middle of its call is what this is all about."""

        self.server = Server(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def set_trouble(self, probability):
        """How likely a call loses its request, and how likely its answer; a few are slow."""
        self.trouble = probability

    def answer(self, words):
        if len(words) != 4:
            return None  # it died while it spoke
        verb, life, key, thing = words
        with self.lock:
            lost_request = self.random.random() < self.trouble
            lost_answer = self.random.random() < self.trouble
            slow_s = self.random.uniform(0, 0.5) if self.random.random() < self.trouble else 0
            call = Call(time.time(), verb, life, key, lost_request or lost_answer)
            self.calls[thing].append(call)
            answer = None if lost_request else self._act(verb, key, thing)
        time.sleep(slow_s)
        return None if lost_answer else answer

    def _act(self, verb, key, thing):
        if verb == "refuse":
            return "refused"
        if verb == "look":
            return "ready" if self.random.random() < 0.4 else "not-yet"
        if verb == "choose":
            self._count += 1
            self.chosen[thing].add(self._count)
            return str(self._count)
        if verb.startswith("confirm:"):
            self.confirmed[thing].add(int(verb.partition(":")[2]))
        elif verb == "make":
            if key not in self.made[thing]:  # a repeated call finds what the first one made
                self.made[thing][key] += 1
                self.present.add(thing)
        elif verb == "remove":
            self.present.discard(thing)
        else:
            return "unknown"
        return "ok"
