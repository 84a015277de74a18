"""A load generator for signed deliveries and starts by the API.

It keeps connections alive over bare sockets, so that it costs little itself.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import time
import uuid
from collections.abc import Iterator

DELIVERY = {
    "action": "opened",
    "issue": {"number": 7, "title": "Telemetry stream drops", "labels": [{"name": "bug"}], "body": "x" * 700},
    "repository": {"full_name": "halden/fleet-api"},
    "sender": {"login": "tkowalczyk"},
}
BODY = json.dumps(DELIVERY).encode()


class Sender(asyncio.Protocol):
    """One connection: sends the next delivery when the answer to the last one is there."""

    def __init__(self, requests: Iterator[bytes], tally: Tally) -> None:
        self.requests = requests
        self.tally = tally
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        if len(rest) < length:
            return
        self.tally.answered(head[9:12], time.perf_counter() - self.sent_at)
        self.buffer = rest[length:]
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.tally.answered(b"lost", 0)
            self.done.set_result(None)

    def _next(self) -> None:
        request = next(self.requests, None)
        if request is None:
            if not self.done.done():
                self.done.set_result(None)
            self.transport.close()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(request)


class Tally:
    """Answers by status."""

    def __init__(self) -> None:
        self.statuses: dict[str, int] = {}

    def answered(self, status: bytes, seconds: float) -> None:
        self.statuses[status.decode()] = self.statuses.get(status.decode(), 0) + 1


def requests(slug: str, secret: str, *, seconds: float = 0, count: int = 0, body: bytes = BODY) -> Iterator[bytes]:
    """Deliveries with one body and ids of their own, for a time or a number."""
    signature = "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()
    head = (
        f"POST /hooks/{slug}/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-GitHub-Event: issues\r\nX-Hub-Signature-256: {signature}\r\nContent-Length: {len(body)}\r\n"
    ).encode()
    return repeated(head, b"X-GitHub-Delivery: ", body, seconds, count)


def starts(slug: str, token: str, *, seconds: float = 0, count: int = 0, body: bytes = BODY) -> Iterator[bytes]:
    """Starts by the API with one body and keys of their own, for a time or a number."""
    body = b'{"inputs": ' + body + b"}"
    head = (
        f"POST /api/v1/workflows/{slug}/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n"
    ).encode()
    return repeated(head, b"Idempotency-Key: ", body, seconds, count)


def repeated(head: bytes, key: bytes, body: bytes, seconds: float, count: int) -> Iterator[bytes]:
    """One request for a time or a number, each with another value of the header `key`."""
    until = time.perf_counter() + seconds
    sent = 0
    while (time.perf_counter() < until) if seconds else (sent < count):
        sent += 1
        yield head + key + str(uuid.uuid4()).encode() + b"\r\n\r\n" + body


async def flood(port: int, connections: int, deliveries: Iterator[bytes]) -> dict[str, object]:
    """As fast as that many connections go."""
    tally = Tally()
    loop = asyncio.get_running_loop()
    started, started_at = time.perf_counter(), time.time()
    senders = [
        (await loop.create_connection(lambda: Sender(deliveries, tally), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(sender.done for sender in senders))
    return {"seconds": time.perf_counter() - started, "statuses": tally.statuses, "started_at": started_at}


async def pace(port: int, per_second: float, seconds: float, deliveries: Iterator[bytes]) -> dict[str, object]:
    """At an even rate, whatever the answers take: (delivery id, sent at) of each."""
    loop = asyncio.get_running_loop()
    tally = Tally()
    sent: dict[str, float] = {}
    start = loop.time()
    waiting = []
    for number in range(int(per_second * seconds)):
        await asyncio.sleep(max(0.0, start + number / per_second - loop.time()))
        request = next(deliveries)
        sent[request.split(b"X-GitHub-Delivery: ")[1][:36].decode()] = time.time()
        one = iter([request])
        _, sender = await loop.create_connection(lambda one=one: Sender(one, tally), "127.0.0.1", port)
        waiting.append(sender.done)
    await asyncio.gather(*waiting)
    return {"sent": sent, "statuses": tally.statuses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--slug", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--token", default="", help="starts by the API with this token, in place of deliveries")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--items", type=int, default=0, help="so many numbers as `items` in the body")
    options = parser.parse_args()
    body = json.dumps({**DELIVERY, "items": list(range(options.items))}).encode() if options.items else BODY
    if options.token:
        started = starts(options.slug, options.token, seconds=options.seconds, count=options.count, body=body)
        result = asyncio.run(flood(options.port, options.connections, started))
    elif options.rate:
        deliveries = requests(options.slug, options.secret, count=1_000_000, body=body)
        result = asyncio.run(pace(options.port, options.rate, options.seconds, deliveries))
    else:
        deliveries = requests(options.slug, options.secret, seconds=options.seconds, count=options.count, body=body)
        result = asyncio.run(flood(options.port, options.connections, deliveries))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
