"""A render worker: evaluates templates for the process that started it, and can do nothing else.

Of the project it imports this package and the marking of texts alone, and no Django. It gets an empty environment, and
drops every privilege that rendering does not need before it reads the first template: network, files, child processes,
root.
"""

from __future__ import annotations

import functools
import math
import os
import pkgutil
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

import msgspec

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import Template, budget, compile_template, compile_value
from automate_core.expressions.templating.filters import FILTERS, Filter, numbers, plugin, times
from automate_core.expressions.templating.render_protocol import HEADER, MAX_DOCUMENT, Answer, Ready, frame
from automate_core.expressions.templating.sandbox import MissingNameError
from automate_plugins import text
from automate_plugins.texts import plain, stored

MEMORY_BYTES = 400_000_000
CPU_SECONDS = 2  #: of one rendering, in case the parent process ended without ending it
ALL_CPU_SECONDS = 600  #: of all renderings; the pool replaces the worker long before
CACHED = 256
NOBODY = 65_534
OUT_OF_MEMORY = 3  #: exit status
LOAD_SECONDS, ALL_LOAD_SECONDS = 3.0, 12.0  #: for one filter of a plug-in, and for all: the pool waits longer


def main() -> None:
    """Answer the requests on standard input until it is closed. The first argument lists the plug-ins' filters."""
    requests, answers = _take_pipes()
    try:
        warm_up()
        load_filters(msgspec.json.decode(sys.argv[1], type=list[tuple[str, str]]))
        ready = Ready(drop_privileges())
    except Exception as error:  # noqa: BLE001 - sent to the parent process, which reports it
        ready = Ready([], f"{type(error).__name__}: {error}")
    answers.write(frame(msgspec.json.encode(ready)))
    answers.flush()
    while not ready.failure:
        template, scope = _read(requests), _read(requests)
        _allow_cpu()
        answers.write(frame(answer(template, scope)))
        answers.flush()


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take standard input and output away from everything else: what a plug-in prints would be read as an answer."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer  # which sys.__stdin__ and sys.__stdout__ keep open
    sys.stdin = sys.stdout = None
    return requests, answers


def load_filters(targets: Sequence[tuple[str, str]]) -> None:
    """Load filters of plug-ins. One that cannot be loaded in time fails where it is used, with the reason."""
    found: dict[str, Filter] = {}
    until = time.monotonic() + ALL_LOAD_SECONDS
    for name, target in targets:
        try:
            described, code = _within(
                min(LOAD_SECONDS, until - time.monotonic()), functools.partial(_load, name, target)
            )
        except BaseException as error:  # noqa: BLE001 - a stranger's module may raise or exit
            reason = f"{type(error).__name__}: {error}"[:300]
            described, code = Filter(name, plugin.broken(name, reason), plugin.ABOUT, "", is_cheap=False), None
        found[name] = described if code is None else replace(described, code=code)
    plugin.PLUGIN_FILTERS.find = lambda: found


def _load(name: str, target: str) -> tuple[Filter, Callable[..., Any]]:
    offered = pkgutil.resolve_name(target)()
    described, code = plugin.describe(name, offered), plugin.applied(name, offered)
    try:
        plugin.PLUGIN_FILTERS.find = lambda: {name: replace(described, code=code)}
        budget.start_budget()
        compile_template(described.example).evaluate({"event": {"payload": {}}})  # which imports what it needs
    except TemplateError:
        pass  # the example of a plug-in may fail; its contract suite says so
    return described, code


class _TooSlowError(BaseException):
    """The time is over. No `except Exception` of a plug-in catches it."""


def _within[Result](seconds: float, act: Callable[[], Result]) -> Result:
    """Return what `act` returns. Raises _TooSlowError after the time, by an alarm that repeats."""

    def ring(number: int, frame: Any) -> None:
        raise _TooSlowError("it takes too long")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01), 0.2)
    try:
        return act()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def warm_up() -> None:
    """Load every module and all data that a filter needs: later no file can be opened."""
    times.load_zones()
    for locale in numbers.LOCALES:
        times.local_datetime(0, locale=locale)
        numbers.currency(1.5, "EUR", locale)
    for offered in FILTERS.values():
        budget.start_budget()
        compile_template(offered.example).evaluate({"event": {"payload": {}}})


def drop_privileges() -> list[str]:
    """Drop every privilege that the system takes back, and return their names (docs/expressions.md)."""
    done = [name for name, flags in _namespaces() if _granted(functools.partial(os.unshare, flags))][:1]
    if os.getuid() == 0 and _granted(_become_nobody):
        done.append("root")
    limits = {
        "memory": (resource.RLIMIT_AS, MEMORY_BYTES),
        "files": (resource.RLIMIT_NOFILE, 0),  # no socket either
        "processes": (resource.RLIMIT_NPROC, 0),
        "writing": (resource.RLIMIT_FSIZE, 0),
        "core": (resource.RLIMIT_CORE, 0),
        "cpu": (resource.RLIMIT_CPU, ALL_CPU_SECONDS),
    }
    for name, (limit, value) in limits.items():
        if _granted(functools.partial(resource.setrlimit, limit, (value, value))):
            done.append(name)
    return done


def _namespaces() -> list[tuple[str, int]]:
    if not hasattr(os, "unshare"):
        return []
    return [("network", os.CLONE_NEWNET)] if os.getuid() == 0 else [("network", os.CLONE_NEWUSER | os.CLONE_NEWNET)]


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _granted(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except (OSError, ValueError):
        return False
    return True


def _allow_cpu() -> None:
    """Limit the CPU time of the next rendering, beyond the time that was used before."""
    soft = math.ceil(time.process_time()) + CPU_SECONDS
    _granted(functools.partial(resource.setrlimit, resource.RLIMIT_CPU, (min(soft, ALL_CPU_SECONDS), ALL_CPU_SECONDS)))


def answer(template: bytes, scope: bytes) -> bytes:
    """Return the encoded `Answer` to one request; both arguments are JSON. Exits when memory is exhausted."""
    try:
        budget.start_budget()
        value = _compiled(template).evaluate(msgspec.json.decode(scope))
        document = msgspec.json.encode(value, enc_hook=_listed)
        if len(document) > MAX_DOCUMENT:
            raise TemplateError(text("The inputs are larger than %(maximum)s bytes.", maximum=MAX_DOCUMENT))
        result = Answer(value=msgspec.Raw(document))
    except MissingNameError as error:
        result = _failed(error.reason, error.line)
        result.path, result.advice = error.path, error.advice
    except TemplateError as error:
        result = _failed(error.reason, error.line)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except (TypeError, ValueError, RecursionError) as error:
        result = _failed(text("The expression does not return a JSON value: %(reason)s", reason=str(error)))
    return msgspec.json.encode(result, enc_hook=plain)


def _failed(reason: str, line: int = 1) -> Answer:
    return Answer(reason=reason, text=stored(reason), line=line)


@functools.lru_cache(CACHED)
def _compiled(template: bytes) -> Template:
    return compile_value(msgspec.json.decode(template))


def _listed(value: Any) -> Any:
    if isinstance(value, range):
        return list(value)
    raise TypeError(f"{type(value).__name__} is none")


def _read(source: BinaryIO) -> bytes:
    """Read the next frame. Exits at the end of the input: the parent process has ended."""
    header = source.read(HEADER.size)
    if len(header) < HEADER.size:
        os._exit(0)
    size: int = HEADER.unpack(header)[0]
    document = source.read(size)
    if len(document) < size:
        os._exit(0)
    return document
