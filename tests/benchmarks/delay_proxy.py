"""A TCP proxy on loopback which delays each direction: a longer line between browser and server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

CHUNK = 1 << 16


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass bytes on, each ``seconds`` after it came; what comes meanwhile is read as well."""
    loop = asyncio.get_running_loop()
    line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def take_in() -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                line.put_nowait((loop.time() + seconds, data))
        line.put_nowait((loop.time() + seconds, b""))

    async def give_out() -> None:
        while True:
            due, data = await line.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    intake = asyncio.ensure_future(take_in())
    try:
        with contextlib.suppress(ConnectionError, OSError):
            await give_out()
    finally:
        intake.cancel()


async def _start(target: int, seconds: float) -> asyncio.Server:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the end of `delayed`: no page is told any more
                await asyncio.gather(_pump(reader, far_writer, seconds), _pump(far_reader, writer, seconds))
        finally:
            writer.close()
            far_writer.close()

    return await asyncio.start_server(connect, "127.0.0.1", 0)


@contextlib.contextmanager
def delayed(target: int, round_trip_ms: float) -> Iterator[int]:
    """Port of 127.0.0.1 which leads to the port ``target``, half of ``round_trip_ms`` later in each direction."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(_start(target, round_trip_ms / 2000), loop).result()

    async def stop() -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
