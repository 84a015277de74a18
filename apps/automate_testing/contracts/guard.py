"""The guard around a call: connections that it opens itself are refused and listed, also from threads it started."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

# Events of Python's audit hooks: https://docs.python.org/3/library/audit_events.html
_SOCKET, _PROGRAM, _PROCESS = "a socket of its own", "a program", "a process of its own"
_WAYS_OUT = {
    "socket.connect": _SOCKET,
    "socket.sendto": _SOCKET,
    "socket.sendmsg": _SOCKET,
    "socket.getaddrinfo": _SOCKET,
    "socket.gethostbyname": _SOCKET,
    "ctypes.dlsym": _SOCKET,
    "subprocess.Popen": _PROGRAM,
    "os.system": _PROGRAM,
    "os.exec": _PROGRAM,
    "os.posix_spawn": _PROGRAM,
    "os.spawn": _PROGRAM,
    "os.fork": _PROCESS,
    "os.forkpty": _PROCESS,
}
_ENDS_OF_FILES = frozenset({"os.remove", "os.rename"})
_WATCHED = frozenset({*_WAYS_OUT, *_ENDS_OF_FILES, "open"})
_SOCKET_FUNCTIONS = frozenset({"socket", "connect", "send", "sendto", "sendmsg", "getaddrinfo", "gethostbyname"})
#: Classes that open sockets in C, which no audit hook sees: (module, class).
_DRIVERS = (("psycopg", "Connection"), ("psycopg", "AsyncConnection"))
_SHORT_WAIT_SECONDS = 1.0  #: seconds for a thread, once another one was not over in time
_WRITING = os.O_WRONLY | os.O_RDWR
_TEMPORARY = getattr(os, "O_TMPFILE", 0)  #: which has no name, so that nobody else can open it
_BYTES_READ = 1_000_000  #: of each file that was written
_READS_FOR_ANOTHER = frozenset({"os", "collections.abc"})  #: modules that `os.getenv` passes through


class Watch:
    """What a call's threads attempted, without threads from before it.

    `found` are connections, `left` the files that it made and did not remove, `filed` the content of those that it
    wrote, and `environment` the variables that were read, each with the module that read it.
    """

    def __init__(self) -> None:
        self.found: list[str] = []
        self.left: list[str] = []
        self.filed = ""
        self.environment: set[tuple[str, str]] = set()
        self._written: set[str] = set()
        self._created: set[str] = set()
        self._others = {thread.ident: thread for thread in threading.enumerate()}
        del self._others[threading.get_ident()]

    def is_watched(self) -> bool:
        """Return whether the current thread is one of the call's."""
        other = self._others.get(threading.get_ident())  # which a later thread has again, once this one is over
        return other is None or other is not threading.current_thread()

    def refuse(self, way: str, where: object) -> None:
        """List an attempt and refuse it."""
        self.found.append(f"{way} ({where})"[:200])
        raise ConnectionRefusedError("a contract suite reaches nothing")

    def note_file(self, path: object, flags: object) -> None:
        """Note a file that is opened for writing. Python's own cache of modules does not count."""
        if not isinstance(path, str | bytes | os.PathLike) or not isinstance(flags, int) or not flags & _WRITING:
            return
        name = os.path.abspath(os.fsdecode(path))
        if "__pycache__" in name or (_TEMPORARY and flags & _TEMPORARY == _TEMPORARY):
            return
        if flags & os.O_CREAT:  # even if it is there already: an earlier process may have left it
            self._created.add(name)
        self._written.add(name)

    def read_files(self) -> None:
        """Keep what is in the written files: before one is removed or moved, and at the end."""
        for name in sorted(self._written):
            with contextlib.suppress(OSError):
                if stat.S_ISREG(os.stat(name).st_mode):
                    with open(name, "rb") as file:
                        self.filed += file.read(_BYTES_READ).decode(errors="replace")

    def end(self) -> None:
        """Read the files, and list those that were made in a call and are still there."""
        self.read_files()
        self.left = sorted(name for name in self._created if os.path.isfile(name))

    def wait(self, seconds: float) -> list[str]:
        """Join threads that the call started: they may connect after it has returned. Return those that go on."""
        outliving = []
        has_abandoned = any(thread.is_alive() for thread in _abandoned_threads)
        until = time.monotonic() + (_SHORT_WAIT_SECONDS if has_abandoned else seconds)
        for thread in threading.enumerate():
            is_own = self._others.get(thread.ident) is not thread and thread is not threading.current_thread()
            if is_own and thread not in _abandoned_threads:
                thread.join(max(0.0, until - time.monotonic()))
                if thread.is_alive():
                    _abandoned_threads.add(thread)
                    outliving.append(thread.name)
        return outliving


_watches: list[Watch] = []
_hooks: list[Callable[[str, tuple[Any, ...]], None]] = []
_abandoned_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()  #: which nobody waits for again


@contextlib.contextmanager
def guard() -> Iterator[Watch]:
    """Refuse and list the block's own connections. The hooks stay installed and are idle outside of blocks."""
    if not _hooks:
        _hooks.append(_audit)
        sys.addaudithook(_audit)
        _list_environment()
    watch = Watch()
    _watches.append(watch)
    try:
        with _drivers(watch):
            yield watch
    finally:
        _watches.remove(watch)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not _watches or event not in _WATCHED or not _watches[-1].is_watched():
        return
    if event == "open":
        _watches[-1].note_file(args[0], args[2])
        return
    if event in _ENDS_OF_FILES:
        _watches[-1].read_files()
        return
    where = args[1] if event in {"socket.connect", "ctypes.dlsym"} else args[0] if args else event
    if event != "ctypes.dlsym" or where in _SOCKET_FUNCTIONS:
        _watches[-1].refuse(_WAYS_OUT[event], where)


def _list_environment() -> None:
    """Let the last watch list the variables that are read, each with the module that reads it.

    For good: after some thousand changes of a class, CPython goes on with the `__getitem__` that it had cached.
    """
    kind: Any = type(os.environ)
    original = kind.__getitem__

    def listed(self: Any, key: Any) -> Any:
        if _watches and _watches[-1].is_watched():
            frame = sys._getframe(1)
            while frame.f_back is not None and frame.f_globals.get("__name__") in _READS_FOR_ANOTHER:
                frame = frame.f_back
            _watches[-1].environment.add((str(frame.f_globals.get("__name__")), str(key)))
        return original(self, key)

    kind.__getitem__ = listed


@contextlib.contextmanager
def _drivers(watch: Watch) -> Iterator[None]:
    with contextlib.ExitStack() as restored:
        for module, name in _DRIVERS:
            driver = getattr(sys.modules.get(module), name, None)
            if driver is not None:
                _refuse_driver(restored, watch, driver, module)
        yield


def _refuse_driver(restored: contextlib.ExitStack, watch: Watch, driver: Any, module: str) -> None:
    """Replace `driver.connect`, and the module's alias for it, by a refusal."""
    original = driver.__dict__["connect"]

    def connect(cls: Any, *args: Any, **kwargs: Any) -> Any:
        is_djangos = str(sys._getframe(1).f_globals.get("__name__")).startswith("django.db.")
        if watch.is_watched() and not is_djangos:
            watch.refuse(_SOCKET, f"{module}.{driver.__name__}")
        return original.__get__(None, cls)(*args, **kwargs)

    driver.connect = classmethod(connect)
    restored.callback(setattr, driver, "connect", original)
    home: Any = sys.modules[module]
    short = getattr(home, "connect", None)
    is_driver = getattr(short, "__self__", None) is driver
    if is_driver:
        home.connect = driver.connect
        restored.callback(setattr, home, "connect", short)
