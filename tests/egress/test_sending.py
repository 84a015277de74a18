"""How a request goes out: the headers with a small body at once, and a stream piece by piece."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from automate_egress import HttpSession

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Listener:
    """A server of one connection, which notes each piece that it receives and answers when `is_complete` says so."""

    def __init__(self, is_complete: Callable[[bytes], bool]) -> None:
        self.pieces: list[bytes] = []
        self.received = threading.Event()
        self._is_complete = is_complete
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            unanswered = b""
            while piece := connection.recv(1_000_000):
                self.pieces.append(piece)
                unanswered += piece
                if b"first" in unanswered:
                    self.received.set()
                if self._is_complete(unanswered):
                    connection.sendall(ANSWER)
                    unanswered = b""

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listen() -> Iterator[Callable[[Callable[[bytes], bool]], Listener]]:
    made: list[Listener] = []

    def start(is_complete: Callable[[bytes], bool]) -> Listener:
        made.append(Listener(is_complete))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_a_small_body_goes_out_with_its_headers(listen):
    server = listen(lambda data: data.endswith(b'{"number":7}') or data.endswith(b'{"number": 7}'))
    session = HttpSession(internal_hosts=[server.host])
    for _ in range(3):  # on a new connection and on a kept one
        assert session.request("POST", f"http://{server.host}/", json={"number": 7}).body == b"ok"
    assert len(server.pieces) == 3
    assert all(piece.startswith(b"POST / HTTP/1.1\r\n") for piece in server.pieces)


def test_a_large_body_arrives_whole(listen):
    body = bytes(range(256)) * 2_000
    server = listen(lambda data: data.endswith(b"\r\n\r\n" + body))
    session = HttpSession(internal_hosts=[server.host])
    for _ in range(2):
        assert session.request("PUT", f"http://{server.host}/", data=body).body == b"ok"
    assert b"".join(server.pieces).count(body) == 2


def test_a_request_without_a_body_is_sent(listen):
    server = listen(lambda data: data.endswith(b"\r\n\r\n"))
    session = HttpSession(internal_hosts=[server.host])
    for method in ("GET", "DELETE"):
        assert session.request(method, f"http://{server.host}/").body == b"ok"
    assert [piece.split()[0] for piece in server.pieces] == [b"GET", b"DELETE"]


def test_the_first_piece_of_a_stream_does_not_wait_for_the_second(listen):
    server = listen(lambda data: data.endswith(b"0\r\n\r\n"))

    def pieces() -> Iterator[bytes]:
        yield b"first"
        assert server.received.wait(30), "the first piece was held back"
        yield b"second"

    session = HttpSession(internal_hosts=[server.host])
    assert session.request("POST", f"http://{server.host}/", data=pieces()).body == b"ok"
    assert b"6\r\nsecond\r\n" in b"".join(server.pieces)
