"""Fault points: places in the code at which a test can make this process die, stop, hang or err. For tests only.

`AUTOMATE_FAULTS`, read once when this module is imported, names them:

    AUTOMATE_FAULTS="worker.claimed=kill; effect.after(second)=sleep:2@3"

An entry is `point=action`. In round brackets it may say what it is about (a step's path, say), and after `@` the only
time of reaching it that counts. The actions:

    kill      SIGKILL to this process
    stop      SIGSTOP to this process; SIGCONT lets it go on
    raise     raise InjectedFaultError
    sleep:2   sleep two seconds in this thread
    hold:2    hold the interpreter's lock for two whole seconds: no thread of this process runs

`AUTOMATE_FAULT_MARKS` may name a folder: before a point acts, a line goes into the file of its name there, so that a
test can wait for it.
"""

from __future__ import annotations

import ctypes  # noqa: TID251 - a fault of tests holds the interpreter
import os
import re
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

_ENTRY = re.compile(
    r"(?P<name>[\w.]+)(\((?P<about>[^)]*)\))?"
    r"=(?P<action>kill|stop|raise|(?:sleep|hold):(?P<seconds>[\d.]+))(@(?P<turn>\d+))?"
)


class InjectedFaultError(Exception):
    """Raised by the action `raise`."""


@dataclass(slots=True)
class _Point:
    name: str
    about: str
    action: str
    seconds: float
    turn: int
    reached: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reach(self, about: str) -> None:
        if self.about and self.about != about:
            return
        with self.lock:
            self.reached += 1
            if self.turn and self.turn != self.reached:
                return
        self._mark()
        match self.action:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                signal.raise_signal(signal.SIGSTOP)  # to this very thread: it goes no step further
            case "raise":
                raise InjectedFaultError(self.name)
            case "sleep":
                time.sleep(self.seconds)
            case "hold":
                ctypes.PyDLL(None).sleep(int(self.seconds))  # PyDLL, unlike CDLL, keeps the interpreter's lock

    def _mark(self) -> None:
        if folder := os.environ.get("AUTOMATE_FAULT_MARKS"):
            with (Path(folder) / self.name).open("a") as marks:
                marks.write(f"{os.getpid()} {self.action}\n")


def _read(text: str) -> dict[str, _Point]:
    points = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        found = _ENTRY.fullmatch(entry)
        if found is None:
            raise ValueError(f"AUTOMATE_FAULTS: {entry!r} is not point=action")
        points[found["name"]] = _Point(
            name=found["name"],
            about=found["about"] or "",
            action=found["action"].partition(":")[0],
            seconds=float(found["seconds"] or 0),
            turn=int(found["turn"] or 0),
        )
    return points


_points = _read(os.environ.get("AUTOMATE_FAULTS", ""))


def reach(name: str, about: str = "") -> None:
    """Act as AUTOMATE_FAULTS says for this point; nothing unless it names the point."""
    point = _points.get(name)
    if point is not None:
        point.reach(about)
