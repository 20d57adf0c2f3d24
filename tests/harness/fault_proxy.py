"""A proxy before an HTTP server that lets requests fail: run in a process of its own, told what to do by its owner."""

import asyncio
import multiprocessing
import random

from harness.cluster import free_port
from harness.seeds import fresh_seed

FAULTS = ("none", "500", "503", "slow", "cut", "refuse")
# Of the requests that come while a fault is on, so many meet it.
SHARE = 0.4
BUSY = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>Please reduce your request rate.</Message></Error>"


class FaultProxy:
    """`url` leads to `target` ("host:port"). `fault` is one of FAULTS."""

    def __init__(self, target):
        self.target = target
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._chance = random.Random(fresh_seed())
        # Nothing of this process but its file descriptors is of use to the other.
        context = multiprocessing.get_context("fork")
        self._fault = context.Value("i", 0)
        self._process = context.Process(target=self._serve, daemon=True)
        self._process.start()

    @property
    def fault(self):
        return FAULTS[self._fault.value]

    @fault.setter
    def fault(self, name):
        self._fault.value = FAULTS.index(name)

    def stop(self):
        self._process.terminate()
        self._process.join()

    def _serve(self):
        asyncio.run(self._listen())

    async def _listen(self):
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, limit=1 << 20)
        await server.serve_forever()

    async def _connection(self, reader, writer):
        try:
            await self._request(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _request(self, reader, writer):
        """One request; the connection ends with it, so that each is judged on its own."""
        head = await reader.readuntil(b"\r\n\r\n")
        fault = self.fault if self._chance.random() < SHARE else "none"
        if fault == "refuse":
            return
        if fault in ("500", "503"):
            code = {"500": "InternalError", "503": "SlowDown"}[fault]
            body = BUSY.format(code=code).encode()
            answer = f"HTTP/1.1 {fault} Fault\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
            writer.write(answer.encode() + b"Connection: close\r\n\r\n" + body)
            await writer.drain()
            # Whoever is still sending reads the answer only if the connection stays open for a moment.
            await asyncio.wait_for(reader.read(1 << 20), 1)
            return
        if fault == "slow":
            await asyncio.sleep(self._chance.uniform(0.5, 3))
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        up_reader, up_writer = await asyncio.open_connection(*self.target.split(":"))
        up_writer.write(b"\r\n".join([*lines[:-2], b"Connection: close", b"", b""]))
        cut_after = self._chance.randrange(1, 200_000) if fault == "cut" else None
        sending = asyncio.create_task(copy(reader, up_writer))
        try:
            await copy(up_reader, writer, cut_after)
        finally:
            sending.cancel()
            up_writer.close()


async def copy(reader, writer, at_most=None):
    """Until the end, or until so many bytes were copied."""
    while at_most is None or at_most > 0:
        part = await reader.read(min(1 << 18, at_most or 1 << 18))
        if not part:
            return
        if at_most is not None:
            at_most -= len(part)
        writer.write(part)
        await writer.drain()
