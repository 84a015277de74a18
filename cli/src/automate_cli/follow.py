"""Follow a run until it ends, over breaks of the connection."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator

from automate_cli.client import Client
from automate_cli.errors import CommandFailedError, RejectedError, UnreachableError
from automate_cli.server_events import ServerEvent, read_events
from automate_cli.servers import path_of

FINAL = {"succeeded", "failed", "cancelled"}
SILENCE_SECONDS = 45.0  #: the server sends a heartbeat more often than that
LONGEST_PAUSE = 10.0  #: seconds between two connections
POLL_SECONDS = 2.0  #: between two questions to a server that does not stream
BREAKS = 10  #: in a row, without an event between them, until it is given up


def follow(client: Client, run: str, *, timeout: float | None = None) -> Iterator[ServerEvent]:
    """The events `step`, `log` and `run` of a run's stream until the run has ended, each once.

    A stream that breaks off continues after its last event. From a server that does not stream come events `run`, one
    for each change of the status. Raises RejectedError, UnreachableError, and CommandFailedError when the run did not
    end within `timeout` seconds.
    """
    until = time.monotonic() + timeout if timeout else None
    last_id, status, breaks, streams, ended = "", "", 0, True, False
    seen: set[tuple[str, str]] = set()  # a stream continues at a change of the run, which can have many events
    while True:
        try:
            for event in read_events(_lines(client, run, last_id, until)) if streams else ():
                breaks, last_id = -1, event.id or last_id
                if (event.name, event.data) not in seen:
                    seen.add((event.name, event.data))
                    yield event
            found = client.get(path_of("runs", run))
            breaks = min(breaks + 1, BREAKS - 1)
        except _NoStreamError:
            streams = False
            continue
        except (UnreachableError, RejectedError, ValueError) as error:
            breaks += 1
            if breaks >= BREAKS or not _may_pass(error):
                raise
            found = {"status": status}
        if not streams and found["status"] != status:
            status = found["status"]
            yield ServerEvent("run", json.dumps(found))
        if found["status"] in FINAL:
            if ended or not streams:
                return
            ended = True  # the stream may have broken off before its last events
            continue
        _check_time(run, until)
        pause = min(LONGEST_PAUSE, 0.25 * 2 ** max(breaks, 0)) if streams else POLL_SECONDS
        time.sleep(pause * (0.5 + random.random() / 2))  # noqa: S311 - spreads attempts


class _NoStreamError(Exception):
    """The server cannot stream; a run that does not exist is found out by the next request."""


def _may_pass(error: Exception) -> bool:
    return not isinstance(error, RejectedError) or error.status == 429 or error.status >= 500


def _lines(client: Client, run: str, last_id: str, until: float | None) -> Iterator[str]:
    silence = SILENCE_SECONDS if until is None else max(0.1, min(SILENCE_SECONDS, until - time.monotonic()))
    headers = {"Last-Event-ID": last_id} if last_id else {}
    try:
        for line in client.transport.lines(path_of("runs", run, "stream"), params={}, headers=headers, silence=silence):
            yield line
            _check_time(run, until)
    except RejectedError as error:
        if error.status in {404, 405, 406, 501}:
            raise _NoStreamError from error
        raise


def _check_time(run: str, until: float | None) -> None:
    if until is not None and time.monotonic() >= until:
        raise CommandFailedError(
            f"Run {run} did not end in time. It is still running; watch it with: automate runs tail {run}"
        )
