"""A proxy before PostgreSQL that breaks connections where it hurts: right before a COMMIT is passed on, or right after,
so that its answer is lost. It can also be slow, be silent, and lead to another server.

It is a process of its own, so that it is as fast as Python lets it be; `Proxy` starts and steers it:

    with Proxy(("127.0.0.1", server.port), seed=1) as proxy:
        proxy.set_faults(before_commit=0.01, after_commit=0.01)
        connect_to(proxy.port)

It understands just enough of the protocol (version 3, no TLS) to find where a COMMIT begins and ends, as a simple query
or as a prepared statement, and what answers it.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import threading

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
READ_BYTES = 1 << 18

# What may happen to a COMMIT, each with a probability of its own.
FAULTS = (
    "before_commit",  # both sides are cut before it is passed on: it never happened
    "after_commit",  # it was done, and the client is cut before it learns so
    "during_commit",  # it is passed on and both sides are cut at once: done or not, or not yet
)


class Proxy:
    """Leads to `upstream` (address, port). Listens on all addresses, on a port that it picks."""

    def __init__(self, upstream, seed, port=0):
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(port), str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[1])},
        )  # fmt: skip
        self._lock = threading.Lock()
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.lead_to(upstream)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def lead_to(self, upstream):
        """New connections lead there from now on; those that are there break."""
        self._tell("lead_to", *upstream)

    def cut(self):
        """Breaks every connection, now."""
        self._tell("cut")

    def set_faults(self, **probabilities):
        """The probability of each of FAULTS for one COMMIT; those not named are 0."""
        self._tell("set_faults", probabilities)

    def set_delay(self, seconds):
        """Everything is passed on so much later, in either direction."""
        self._tell("set_delay", seconds)

    def set_silent(self, silent):
        """Nothing is passed on any more, and nobody is told: as a network that swallows everything. Afterwards what
        waited is passed on."""
        self._tell("set_silent", silent)

    def counts(self):
        """How often what was done to connections: {fault: count}, with `commits` and `connections`."""
        return self._tell("counts")

    def _tell(self, verb, *words):
        with self._lock:
            self.process.stdin.write(json.dumps([verb, *words]) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())


class _State:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.upstream = None
        self.probabilities = {}
        self.delay = 0.0
        self.loud = asyncio.Event()
        self.loud.set()
        self.connections = set()
        self.counted = dict.fromkeys((*FAULTS, "commits", "connections"), 0)

    # ---- what the test tells

    def lead_to(self, address, port):
        self.upstream = (address, port)
        self.cut()

    def cut(self):
        for connection in list(self.connections):
            connection.cut()

    def set_faults(self, probabilities):
        assert set(probabilities) <= set(FAULTS), probabilities
        self.probabilities = probabilities

    def set_delay(self, seconds):
        self.delay = seconds

    def set_silent(self, silent):
        if silent:
            self.loud.clear()
        else:
            self.loud.set()

    def counts(self):
        return self.counted

    # ----

    def choose_fault(self):
        """For one COMMIT: the fault that it meets, or None."""
        self.counted["commits"] += 1
        for fault in FAULTS:
            if self.random.random() < self.probabilities.get(fault, 0):
                self.counted[fault] += 1
                return fault
        return None

    async def before_passing_on(self):
        if self.delay:
            await asyncio.sleep(self.delay)
        await self.loud.wait()


class _Messages:
    """Cuts a stream into messages: a type byte and a length."""

    def __init__(self):
        self.pending = bytearray()

    def add(self, piece):
        self.pending += piece

    def take(self):
        """(type, payload, all of it) of the next whole message, or None."""
        if len(self.pending) < 5:
            return None
        end = 1 + struct.unpack_from(">i", self.pending, 1)[0]
        if len(self.pending) < end:
            return None
        message = bytes(self.pending[:end])
        del self.pending[:end]
        return message[:1], message[5:], message


def _text(payload, start):
    end = payload.index(b"\0", start)
    return payload[start:end], end + 1


def _is_commit(sql):
    return sql.lstrip().upper().startswith((b"COMMIT", b"END"))


class _Connection:
    def __init__(self, state, client_reader, client_writer):
        self.state = state
        self.client_reader = client_reader
        self.client_writer = client_writer
        self.server_reader = self.server_writer = None
        self.commit_statements = set()  # names of prepared statements that are a COMMIT
        self.swallowing = False  # the answer to a COMMIT is awaited, and the client must not see it

    def cut(self):
        for writer in (self.client_writer, self.server_writer):
            if writer and not writer.is_closing():
                writer.transport.abort()

    async def serve(self):
        self.state.connections.add(self)
        self.state.counted["connections"] += 1
        try:
            if not await self.greet():
                return
            both = [asyncio.create_task(self.pass_questions()), asyncio.create_task(self.pass_answers())]
            _, other = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in other:
                task.cancel()
            for result in await asyncio.gather(*both, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, (OSError, asyncio.IncompleteReadError)):
                    raise result
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.state.connections.discard(self)
            self.cut()

    async def greet(self):
        """The first message has no type. Encryption is declined; what remains is passed on."""
        while True:
            await self.state.before_passing_on()
            head = await self.client_reader.readexactly(8)
            length, code = struct.unpack(">ii", head)
            rest = await self.client_reader.readexactly(length - 8)
            if code not in (SSL_REQUEST, GSS_REQUEST):
                break
            self.client_writer.write(b"N")
        await self.state.before_passing_on()
        self.server_reader, self.server_writer = await asyncio.open_connection(*self.state.upstream, limit=READ_BYTES)
        self.server_writer.write(head + rest)
        return code != CANCEL_REQUEST

    async def pass_questions(self):
        messages = _Messages()
        fault = None
        while piece := await self.client_reader.read(READ_BYTES):
            messages.add(piece)
            passed = bytearray()
            while message := messages.take():
                kind, payload, whole = message
                if not fault and self.is_commit(kind, payload):
                    fault = self.state.choose_fault()
                if fault == "before_commit":
                    await self.pass_to(self.server_writer, passed)
                    return self.cut()
                passed += whole
                if fault and kind in b"SQ":  # the question is whole
                    return await self.lose_answer(passed, fault)
            await self.pass_to(self.server_writer, passed)

    def is_commit(self, kind, payload):
        if kind == b"Q":
            return _is_commit(payload)
        if kind == b"P":
            name, rest = _text(payload, 0)
            is_commit = _is_commit(payload[rest:])
            (self.commit_statements.add if is_commit else self.commit_statements.discard)(name)
        if kind == b"B":
            _, rest = _text(payload, 0)
            return _text(payload, rest)[0] in self.commit_statements
        return False

    async def lose_answer(self, question, fault):
        self.swallowing = fault == "after_commit"
        await self.pass_to(self.server_writer, question)
        if fault == "during_commit":
            return self.cut()
        await asyncio.Event().wait()  # until `pass_answers` has seen the answer

    async def pass_answers(self):
        messages = _Messages()
        while piece := await self.server_reader.read(READ_BYTES):
            messages.add(piece)
            while message := messages.take():
                if self.swallowing and message[0] == b"C" and message[1].startswith((b"COMMIT", b"ROLLBACK")):
                    return self.cut()
            if not self.swallowing:
                await self.pass_to(self.client_writer, piece)

    async def pass_to(self, writer, piece):
        if not piece:
            return
        await self.state.before_passing_on()
        writer.write(piece)
        await writer.drain()


async def _main(port, seed):
    state = _State(seed)

    async def serve(reader, writer):
        with contextlib.suppress(asyncio.CancelledError):
            await _Connection(state, reader, writer).serve()

    server = await asyncio.start_server(serve, "0.0.0.0", port, limit=READ_BYTES)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        verb, *words = json.loads(line)
        print(json.dumps(getattr(state, verb)(*words)), flush=True)
    state.cut()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
