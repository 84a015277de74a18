"""What all figures are made with."""

from __future__ import annotations

import contextlib
import http.cookiejar
import os
import re
import statistics
import time
import urllib.parse
import urllib.request
from pathlib import Path

import psycopg

from bench.stage import Stage

WARM = 60  #: deliveries
CLEARING_TRIES = 5


def figure(name: str, unit: str, values: list[float]) -> dict[str, object]:
    median, least, most = statistics.median(values), min(values), max(values)
    return {
        "figure": name, "unit": unit, "median": round(median, 2), "min": round(least, 2), "max": round(most, 2),
        "runs": len(values),
    }  # fmt: skip


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def warm_up(on: Stage, slug: str = "pure") -> None:
    """Send what makes new processes import and prepare what they need: how long a start takes is another figure."""
    on.load(slug, connections=1, count=WARM)


def wait_until_idle(on: Stage, seconds: float = 120) -> None:
    """Until no job is owed, or that time is over."""
    with psycopg.connect(on.cluster.url, autocommit=True) as connection:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            left = connection.execute(
                "SELECT count(*) FROM automate_core_outboxjob WHERE status IN ('ready', 'leased')"
            ).fetchone()[0]  # type: ignore[index]
            if left == 0:
                break
            time.sleep(0.2)  # looking costs the database too


def wait_until_finished(on: Stage, count: int) -> float:
    """When the last of `count` runs was committed as succeeded, on the wall clock."""
    wait_until_idle(on)
    ends = ends_of_runs(on)
    if len(ends) != count:
        raise RuntimeError(f"{len(ends)} of {count} runs succeeded")
    return ends[-1]


def one_run(on: Stage) -> None:
    """A run of three steps that was really made, for a history to copy."""
    with on.web(), on.worker():
        on.load("three", connections=1, count=1)
        wait_until_finished(on, 1)


def ends_of_runs(on: Stage) -> list[float]:
    """When each run was committed as succeeded, on the wall clock, in order."""
    with psycopg.connect(on.cluster.url) as connection:
        rows = connection.execute(
            "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS ended"
            " FROM automate_core_executionrun WHERE status = 'succeeded' ORDER BY ended"
        )
        return [float(row[0]) for row in rows]


def clear(on: Stage) -> None:
    """An empty queue and empty tables before the next measurement, as after an install.

    Workers that are running may read these tables in another order: a deadlock is tried again.
    """
    for _ in range(CLEARING_TRIES):
        with contextlib.suppress(psycopg.errors.DeadlockDetected):
            return _truncate(on)
    _truncate(on)


def _truncate(on: Stage) -> None:
    with psycopg.connect(on.cluster.url, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE automate_core_event, automate_core_outboxjob, automate_core_executionrun,"
            " automate_core_steprun, automate_core_wait, automate_core_runlog, automate_core_endedrun,"
            " automate_core_searchterm, automate_core_runcount, automate_core_runtime, automate_core_failuregroup,"
            " automate_core_failurecount, automate_core_failedrun CASCADE"
        )


def rss_mb(pid: int) -> float:
    """Resident memory now."""
    return _status_mb(pid, "VmRSS")


def peak_rss_mb(pid: int) -> float:
    """The most resident memory since `forget_peak`."""
    return _status_mb(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Begin a new peak with what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status_mb(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def cpu_seconds(pid: int) -> float:
    """How long a process has worked so far, as the kernel has it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def signed_in(on: Stage, username: str = "bench") -> urllib.request.OpenerDirector:
    """A browser without a window, of the superuser or of another person with the same password."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    url = f"http://127.0.0.1:{on.port}/admin/login/"
    form = browser.open(url).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]  # type: ignore[index]
    fields = {"csrfmiddlewaretoken": token, "username": username, "password": "bench", "next": "/admin/"}
    request = urllib.request.Request(url, urllib.parse.urlencode(fields).encode(), {"Referer": url})
    browser.open(request)
    return browser
