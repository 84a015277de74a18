"""A run that is followed to its end, in lines for people or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from automate_cli.client import Client
from automate_cli.errors import RejectedError, one_line
from automate_cli.follow import FINAL, follow
from automate_cli.invocation import invocation
from automate_cli.output import clock_time, error_text, print_json, print_json_line, status_text
from automate_cli.servers import path_of

TIMEOUT = "Stop waiting after this number of seconds, with exit code 1. The run continues."


def read_outputs(client: Client, run: str) -> dict[str, Any]:
    """`outputs` of a run by its steps; nothing for people who may not view payloads."""
    try:
        return {"outputs": client.get(path_of("runs", run, "outputs"))["outputs"]}
    except RejectedError as error:
        if error.status != 403:
            raise
        return {}


def watch(
    client: Client,
    run: str,
    timeout: float | None,
    *,
    quiet: bool,
    read_more: Callable[[Client, str], dict[str, Any]] = read_outputs,
) -> int:
    """Follow a run, and give the exit code that tells its outcome.

    `quiet` prints the run alone, at its end, as JSON with what `read_more` reads of it.
    """
    as_json, status = invocation().as_json, ""
    for event in follow(client, run, timeout=timeout):
        data = json.loads(event.data)
        if quiet:
            continue
        if as_json:
            print_json_line({"event": event.name, "data": data})
        elif event.name != "run":
            _print_event(event.name, data)
        elif data["status"] not in {status, *FINAL}:
            status = data["status"]
            print_line("", run, status, "")
    found = client.get(path_of("runs", run))
    if quiet:
        print_json({**found, **read_more(client, run)})
    elif not as_json:
        print_line("", run, found["status"], error_text(found.get("error")))
    return 0 if found["status"] == "succeeded" else 1


def _print_event(name: str, data: dict[str, Any]) -> None:
    """One line about a step, or of its log."""
    if name == "step":
        attempt = f"attempt {data['attempt']}" if data.get("attempt", 1) > 1 else ""
        error = error_text({**(data.get("error") or {}), "step": None})
        time = data.get("finished_at") or data.get("started_at")
        print_line(time, data["path"], data["status"], "  ".join(filter(None, [attempt, error])))
    elif name == "log":
        print_line(data.get("at"), data["path"], data["level"], data["message"])


def print_line(time: Any, what: str, status: str, text: str) -> None:
    """One line of what happens in a run."""
    click.echo("  ".join(filter(None, [clock_time(time), one_line(what), status_text(status), one_line(text)])))
