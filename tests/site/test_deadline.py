"""Connections to the web server whose requests stop coming."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

from automate_site import server

WHOLE = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def application(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def first_lines(*pieces, drip=b""):
    """The first line of each answer on a connection that gets these pieces, then `drip` again and again."""

    async def talk():
        config = uvicorn.Config(application, lifespan="off", log_config=None, timeout_keep_alive=3_600)
        loop = asyncio.get_running_loop()
        made = await loop.create_server(
            lambda: server.make_server(0).config.http(config, ServerState(), {}), "127.0.0.1", 0
        )
        async with made:
            reader, writer = await asyncio.open_connection(*made.sockets[0].getsockname())
            dripping = asyncio.create_task(_drip(writer, drip))
            lines = []
            for piece in (*pieces, None):
                writer.write(piece or b"")
                if piece in {WHOLE, None}:
                    lines.append((await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).split(b"\r\n")[0])
                    await reader.read(2 if piece else 0)
            dripping.cancel()
            writer.close()
            return lines

    return asyncio.run(talk())


async def _drip(writer, piece):
    while piece:
        writer.write(piece)
        await asyncio.sleep(0.05)


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("pieces", "drip"),
    [
        ([], b""),
        ([b"GET / HTTP/1.1\r\n"], b""),
        ([b"GET / HTTP/1.1\r\n"], b"a: b\r\n"),
        ([WHOLE, b"GET / HTT"], b""),
        ([WHOLE, WHOLE, b"GET / HTTP/1.1\r\nx: y\r\n"], b""),
    ],
    ids=["nothing", "half a request", "headers without end", "a second request", "a third request"],
)
def test_headers_that_stop_coming_are_answered_with_408(settings, pieces, drip):
    settings.AUTOMATE_REQUEST_SECONDS = 0.5
    whole = pieces.count(WHOLE)
    assert first_lines(*pieces, drip=drip) == [b"HTTP/1.1 200 OK"] * whole + [b"HTTP/1.1 408 Request Timeout"]
