"""CPU of a kept-alive POST: the guarded session beside the clients that it could stand on.

`python -m bench.http_client [POSTS]` prints one JSON line with the CPU milliseconds of the calling thread for each
client, the median of eleven rounds. It is CPU time, so that other load on the machine matters little.
"""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import requests
import urllib3

from automate_egress import HttpSession
from bench import echo

ROUNDS = 11
BODY = {"number": 7, "text": "x" * 200}


def measure(posters: dict[str, Callable[[], Any]], posts: int) -> dict[str, float]:
    """Milliseconds of CPU for each call; the clients take turns, so that a busy moment is not one client's alone."""
    rounds: dict[str, list[float]] = {name: [] for name in posters}
    for _ in range(ROUNDS + 1):
        for name, post in posters.items():
            started = time.thread_time()
            for _ in range(posts):
                post()
            rounds[name].append((time.thread_time() - started) / posts * 1_000)
    return {name: round(statistics.median(times[1:]), 3) for name, times in rounds.items()}


def clients(host: str) -> dict[str, Callable[[], Any]]:
    """A POST by each client."""
    url, body, headers = f"http://{host}/x", json.dumps(BODY), {"Content-Type": "application/json"}
    of_requests, pool, plain = requests.Session(), urllib3.PoolManager(), http.client.HTTPConnection(host)

    def by_http_client() -> bytes:
        plain.request("POST", "/x", body, headers)
        return plain.getresponse().read()

    return {
        "guarded": lambda: HttpSession(internal_hosts=[host]).request("POST", url, json=BODY),
        "requests": lambda: of_requests.post(url, json=BODY, timeout=30).content,
        "urllib3": lambda: pool.request("POST", url, body=body, headers=headers, timeout=30).data,
        "http_client": by_http_client,
    }


def main(posts: int) -> None:
    """Print the figures."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, echo.__file__, str(port)])
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        found = measure(clients(f"127.0.0.1:{port}"), posts)
        print(json.dumps({"figure": "http_post_cpu_ms", "posts": posts, **found}))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
