"""A proxy before one hub or several, as stands before them in the field: a load balancer, an end of TLS, or a network
that swallows everything for a while.

    with TcpProxy(first.port, second.port) as balancer: connect_to(balancer.port)
"""

import asyncio
import contextlib
import itertools
import threading

READ_BYTES = 1 << 16


class TcpProxy:
    """Leads each connection to the next of `ports` (on 127.0.0.1) that takes it. With `tls`, an ssl.SSLContext, callers
    must speak that; behind the proxy all is plain."""

    def __init__(self, *ports, tls=None):
        self._upstreams = itertools.cycle(ports)
        self._count = len(ports)
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda *_: None)  # whoever hangs up in the middle of a handshake
        self._loud = asyncio.Event()
        self._loud.set()
        self._answer_bytes_max = None
        self._tasks = set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls))
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set_silent(self, silent):
        """Nothing is passed on any more, and nobody is told. Afterwards what waited is passed on."""
        self._loop.call_soon_threadsafe(self._loud.clear if silent else self._loud.set)

    def cut_answers(self, bytes_max):
        """What was answered beyond so many bytes on a connection is held back for ever; None: no more of that."""
        self._loop.call_soon_threadsafe(setattr, self, "_answer_bytes_max", bytes_max)

    async def _end(self):
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        writers = [writer]
        try:
            await self._loud.wait()
            up_reader, up_writer = await self._connect()
            writers.append(up_writer)
            for each in writers:
                each.transport.set_write_buffer_limits(0)  # what is drained has gone out: an abort loses nothing of it
            both = [asyncio.create_task(self._pass(reader, up_writer)), asyncio.create_task(self._pass(up_reader, writer, True))]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for each in writers:
                each.transport.abort()
            self._tasks.discard(task)

    async def _connect(self):
        failure = None
        for port in itertools.islice(self._upstreams, self._count):
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError as error:
                failure = error
        raise failure

    async def _pass(self, reader, writer, is_answer=False):
        passed = 0
        with contextlib.suppress(OSError):
            while piece := await reader.read(READ_BYTES):
                await self._loud.wait()
                passed += len(piece)
                if is_answer and self._answer_bytes_max is not None and passed > self._answer_bytes_max:
                    await asyncio.Event().wait()
                writer.write(piece)
                await writer.drain()
