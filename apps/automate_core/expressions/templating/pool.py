"""RenderPool: a few render workers, shared by the threads of this process.

A worker is started when the first template needs it, killed and replaced when it takes too long, uses too much memory
or gives an invalid answer, and ends with this process.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import logging
import os
import select
import subprocess  # noqa: TID251 - our own render workers, without a network
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

import msgspec

from automate_core.expressions.json_path import ABSENT, Path, Scope, TemplateError, look_up, part_of
from automate_core.expressions.templating.filters.plugin import PLUGIN_FILTERS
from automate_core.expressions.templating.limits import MAX_SECONDS
from automate_core.expressions.templating.render_protocol import HEADER, MAX_ANSWER, Answer, Ready, frame
from automate_core.expressions.templating.values import advised
from automate_plugins import text
from automate_plugins.texts import restored

log = logging.getLogger(__name__)

type FilterTarget = tuple[str, str]  # name and module:Class

MAX_REASON = 1_000  #: characters of a worker's reason

WORKERS = 2
START_SECONDS = 30.0
WAIT_SECONDS = 20.0  #: for a worker to be free
RETIRE_SECONDS = 60.0  #: of renderings, after which a worker is replaced
_BOOT = (
    "import sys; sys.path += sys.argv[2:]; from automate_core.expressions.templating.render_worker import main; main()"
)
_NEEDED = ("automate_core", "automate_plugins", "jinja2", "markupsafe", "msgspec", "babel", "re2", "tzdata")


class RenderUnavailableError(TemplateError):
    """No render worker could be started, or none was free in time; the rendering may be retried."""


@functools.cache
def _folders() -> list[str]:
    """Return the import path of a render worker: the folders of the packages that it needs."""
    found = [importlib.util.find_spec(name) for name in _NEEDED]
    return list(dict.fromkeys(str(FilePath(spec.origin).parents[1]) for spec in found if spec and spec.origin))


def _plugin_folders(targets: Sequence[FilterTarget]) -> list[str]:
    """Return the folders of the packages that hold filters of plug-ins."""
    packages = dict.fromkeys(target.partition(":")[0].partition(".")[0] for _, target in targets)
    found = [importlib.util.find_spec(name) for name in packages]
    # of a module, the folder that it is in; of a package (a namespace has no origin), the folder around it
    origins = [
        FilePath(next(iter(spec.submodule_search_locations or ()), spec.origin or "")).parent for spec in found if spec
    ]
    return list(dict.fromkeys(map(str, origins)))


class RenderProcess:
    """A render worker. Not thread-safe. Raises RenderUnavailableError when it cannot be started.

    `filters` are the filters of plug-ins that it loads.
    """

    def __init__(self, filters: Sequence[FilterTarget] = ()) -> None:
        self.spent = 0.0  #: seconds of renderings
        folders = [*_folders(), *_plugin_folders(filters)]
        try:
            # What runs is this interpreter and this package: no shell, nothing from outside.
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", "-c", _BOOT, msgspec.json.encode(list(filters)).decode(), *folders],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                bufsize=0,
                start_new_session=True,  # a Ctrl-C in the terminal is for the parent
            )
        except OSError as error:
            raise RenderUnavailableError(
                text("No render worker could be started: %(reason)s", reason=str(error))
            ) from error
        assert self._process.stdin and self._process.stdout  # noqa: S101 - both are pipes
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self.given_up = self._start()

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a request: it is alive and has sent no data on its own."""
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        return not poll.poll(0)

    def render(self, template: bytes, scope: bytes) -> Answer:
        """Render in the worker. Raises TemplateError when it gives no valid answer; then it must be ended."""
        began = time.monotonic()
        try:
            answer = self._exchange(frame(template) + frame(scope), began + MAX_SECONDS)
            return msgspec.json.decode(answer, type=Answer)
        except TimeoutError:
            raise TemplateError(
                text("The expression takes longer than %(seconds)s s.", seconds=float(MAX_SECONDS))
            ) from None
        except (OSError, EOFError):
            raise TemplateError(text("The expression needs too much memory or time.")) from None
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise TemplateError(text("The render worker returned an invalid response.")) from error
        finally:
            self.spent += time.monotonic() - began

    def end(self) -> None:
        """Kill the process, wait for its exit and close its pipes."""
        self._process.kill()
        self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Close this side of its pipes."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def disown(self) -> None:
        """Release the process without ending it: after a fork it is a child of the parent process."""
        self._process.returncode = 0
        self.forget()

    def _start(self) -> list[str]:
        try:
            ready = msgspec.json.decode(self._exchange(b"", time.monotonic() + START_SECONDS), type=Ready)
            if not ready.failure:
                return ready.given_up
            reason = ready.failure
        except (OSError, EOFError, ValueError) as error:
            reason = f"{type(error).__name__} {error}"
        self.end()
        raise RenderUnavailableError(text("No render worker could be started: %(reason)s", reason=reason))

    def _exchange(self, message: bytes, until: float) -> bytes:
        """Write a message and read a frame. Raises TimeoutError, EOFError, OSError, and ValueError for a bad frame."""
        unsent, received = memoryview(message), bytearray()
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        if unsent:
            poll.register(self._in, select.POLLOUT)
        while len(received) < HEADER.size or len(received) < HEADER.size + HEADER.unpack_from(received)[0]:
            seconds = until - time.monotonic()
            ready = dict(poll.poll(max(0.0, seconds) * 1000))
            if not ready:
                raise TimeoutError
            if self._in in ready and unsent:
                unsent = unsent[os.write(self._in, unsent[: 1 << 16]) :]
                if not unsent:
                    poll.unregister(self._in)
            if self._out in ready:
                chunk = os.read(self._out, 1 << 16)
                if not chunk:
                    raise EOFError
                received += chunk
                if len(received) > HEADER.size + MAX_ANSWER:
                    raise ValueError("an answer that is too long")
        if unsent or len(received) > HEADER.size + HEADER.unpack_from(received)[0]:
            raise ValueError("an answer to something else")
        return bytes(received[HEADER.size :])


class RenderPool:
    """At most `size` render workers. Thread-safe."""

    def __init__(self, size: int = WORKERS) -> None:
        self._size = size
        self._free = threading.Condition()
        self._idle: list[RenderProcess] = []
        self._all: set[RenderProcess] = set()
        self._starting = 0
        self._without_plugins = False

    @property
    def workers(self) -> list[RenderProcess]:
        """Running workers, idle and busy."""
        return list(self._all)

    def render(self, template: bytes, scope: bytes) -> Answer:
        """Render in a free worker. Raises TemplateError, RenderUnavailableError when none is free in time."""
        worker = self._take()
        is_well = False
        try:
            answer = worker.render(template, scope)
            is_well = worker.spent < RETIRE_SECONDS
            return answer
        finally:
            self._give_back(worker, is_well=is_well)

    def close(self) -> None:
        """End all workers. The next rendering starts new ones, with the filters of plug-ins that are allowed then."""
        with self._free:
            self._without_plugins = False
            workers, self._idle, self._all = self._all, [], set()
        for worker in workers:
            worker.end()

    def _take(self) -> RenderProcess:
        until = time.monotonic() + WAIT_SECONDS
        with self._free:
            while True:
                while self._idle:
                    worker = self._idle.pop()
                    if worker.is_waiting:
                        return worker
                    self._drop(worker)
                if len(self._all) + self._starting < self._size:
                    self._starting += 1
                    break
                if not self._free.wait(until - time.monotonic()):
                    raise RenderUnavailableError(text("All render workers are busy. Try again later."))
        return self._start()

    def _start(self) -> RenderProcess:
        worker: RenderProcess | None = None
        try:
            worker = self._make_worker()
        finally:
            with self._free:
                self._starting -= 1
                if worker is not None:
                    self._all.add(worker)
                self._free.notify()
        log.info("render worker %d gave up %s", worker.pid, ", ".join(worker.given_up))
        return worker

    def _make_worker(self) -> RenderProcess:
        """Return a new worker: one without the filters of plug-ins where none starts with them."""
        filters = [] if self._without_plugins else PLUGIN_FILTERS.targets()
        try:
            return RenderProcess(filters)
        except RenderUnavailableError:
            if not filters:
                raise
            log.exception("no render worker starts with the filters of plug-ins: %s", filters)
            self._without_plugins = True
            return RenderProcess()

    def _give_back(self, worker: RenderProcess, *, is_well: bool) -> None:
        with self._free:
            if is_well and worker in self._all:
                self._idle.append(worker)
            else:
                self._drop(worker)
            self._free.notify()

    def _drop(self, worker: RenderProcess) -> None:
        self._all.discard(worker)
        worker.end()

    def start_anew(self) -> None:
        """Reset the pool in a forked child: the workers belong to the parent."""
        for worker in self._all:
            worker.disown()
        self._free, self._idle, self._all, self._starting = threading.Condition(), [], set(), 0


POOL = RenderPool()
atexit.register(POOL.close)
os.register_at_fork(after_in_child=POOL.start_anew)


def render(template: bytes, paths: tuple[Path, ...], scope: Scope) -> bytes:
    """Return the value of `template` as a JSON document. Raises TemplateError."""
    try:
        document = msgspec.json.encode(needed(scope, paths))
    except (TypeError, ValueError, RecursionError) as error:
        raise TemplateError(
            text("A value that the expression uses is not JSON: %(reason)s", reason=str(error))
        ) from error
    answer = POOL.render(template, document)
    if not answer.reason:
        return bytes(answer.value)
    kept = restored(answer.text, answer.reason)
    reason = kept if kept == answer.reason and len(kept) <= MAX_REASON else answer.reason[:MAX_REASON]
    if answer.path:
        try:
            look_up(scope, answer.path)
        except TemplateError as error:
            reason = advised(
                error.reason, answer.advice
            )  # which names what is there: a worker knows only what it needs
    raise TemplateError(reason, answer.line)


def needed(scope: Scope, paths: tuple[Path, ...]) -> dict[str, Any]:
    """Return the part of the scope that these paths look up."""
    found: dict[Any, Any] = {}
    whole: set[Path] = set()
    for path in sorted(paths, key=len):
        source, target = scope, found
        for depth, part in enumerate(path):
            value = part_of(source, part)
            if value is ABSENT or path[: depth + 1] in whole:
                break
            if depth == len(path) - 1 or not isinstance(value, dict):
                target[part] = dict(value) if isinstance(value, dict) else value  # a copy: other look-ups may add to it
                whole.add(path[: depth + 1])
                break
            source, target = value, target.setdefault(part, {})
    return found
