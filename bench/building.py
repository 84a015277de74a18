"""Figures of the builder: a draft of 220 steps over HTTP, as its page asks for it."""

from __future__ import annotations

import gzip
import json
import re
import statistics
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator

from bench.measure import cpu_seconds, figure, signed_in
from bench.stage import Stage

STEPS = 220
REQUESTS = 20


def builder(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """How long the page, a step's panel and edits take, and how much an edit of the tree sends."""
    on.take_in("large", json.dumps(_large()))
    with on.web() as web:
        page = _Page(on)
        acts: dict[str, Callable[[], object]] = {
            "page": page.open,
            "select": page.select,
            "field": page.edit_field,
            "move": page.move,
            "insert": page.insert_at_the_top,
        }
        for name, act in acts.items():
            act()  # warm
            spent = [_milliseconds(act, web.pid) for _ in range(runs)]
            yield figure(f"builder_{name}_ms", "ms", [waited for waited, _ in spent])
            yield figure(f"builder_{name}_cpu_ms", "ms of the web process", [worked for _, worked in spent])
        yield figure("builder_move_kb", "kB sent, of an answer of the whole tree", [page.move() / 1000])


class _Page:
    """What the builder's scripts do, without a browser."""

    def __init__(self, on: Stage) -> None:
        self.browser = signed_in(on)
        self.host = f"http://127.0.0.1:{on.port}"
        found = self.browser.open(f"{self.host}/admin/automate_core/workflow/?q=Large").read().decode()
        key = re.search(r'id="workflow-(\d+)"', found)
        assert key, "the workflow is in the list"
        self.url = f"{self.host}/admin/automate/workflows/{key[1]}/builder/"
        self.token, self.rev, self.index, self.sent = "", "0", 2, 0
        self.open()
        self.panel = f"{self.url}step/branch_100/set_100/"
        self.field_rev = _in(r'name="rev" value="(\d+)"', self._ask(self.panel))

    def open(self) -> int:
        text = self._ask(self.url)
        self.token = _in(r'X-CSRFToken&quot;: &quot;(\w+)|X-CSRFToken": "(\w+)', text)
        return len(text)

    def select(self) -> int:
        return len(self._ask(self.panel))

    def edit_field(self) -> int:
        text = self._ask(self.panel, rev=self.field_rev, notes=f"Note {time.perf_counter_ns()}")
        self.field_rev = _in(r'name="rev" value="(\d+)"', text)
        return len(text)

    def move(self) -> int:
        """The bytes that came over the wire."""
        self.index = 5 - self.index
        self._ask(f"{self.url}do/", do="move", key="branch_100", index=str(self.index), rev=self.rev)
        return self.sent

    def insert_at_the_top(self) -> int:
        return len(self._ask(f"{self.url}do/", do="add", kind="stop", index="0", rev=self.rev))

    def _ask(self, url: str, **fields: str) -> str:
        headers = {"Accept-Encoding": "gzip", "X-CSRFToken": self.token, "HX-Request": "true", "Referer": self.url}
        body = urllib.parse.urlencode(fields).encode() if fields else None
        answer = self.browser.open(urllib.request.Request(url, body, headers))  # noqa: S310 - our own process
        content = answer.read()
        self.sent = len(content)
        text = str((gzip.decompress(content) if answer.headers["Content-Encoding"] == "gzip" else content).decode())
        if seen := re.search(r'id="draft-state" data-rev="(\d+)"', text):
            self.rev = seen[1]
        return text


def _in(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, f"the page has {pattern}"
    return next(group for group in found.groups() if group)


def _milliseconds(act: Callable[[], object], pid: int) -> tuple[float, float]:
    """(the median of many times, the processor time of each in that process on average)."""
    times, worked = [], cpu_seconds(pid)
    for _ in range(REQUESTS):
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times), (cpu_seconds(pid) - worked) * 1000 / REQUESTS


def _large() -> dict[str, object]:
    """Branches in a row, each of two routes and a loop."""
    return {
        "name": "Large", "slug": "large", "triggers": [{"kind": "manual"}],
        "steps": [_branch(number) for number in range(0, STEPS, 10)],
    }  # fmt: skip


def _branch(number: int) -> dict[str, object]:
    inner = [
        {"key": f"set_{number + n}", "action": "data.set", "inputs": {"t": "{{ event.payload.t }}", "n": n}}
        for n in range(8)
    ]
    arms = [
        {"key": name, "when": {"==": [{"var": "event.payload.t"}, name]}, "steps": steps}
        for name, steps in (("a", inner[:3]), ("b", inner[3:5]))
    ]
    loop = {"kind": "for_each", "key": f"each_{number}", "items": "{{ event.payload.l }}", "steps": inner[5:]}
    return {"kind": "branch", "key": f"branch_{number}", "arms": arms, "otherwise": [loop]}
