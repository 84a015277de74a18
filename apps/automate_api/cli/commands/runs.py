"""Runs: start, watch, cancel and re-run them."""

from __future__ import annotations

import json
from typing import Any

import click

from automate_api.cli.client import Client
from automate_api.cli.commands.completion import complete_workflows
from automate_api.cli.errors import RejectedError, one_line
from automate_api.cli.follow import FINAL, follow
from automate_api.cli.inputs import read_filters, read_inputs
from automate_api.cli.invocation import ApiGroup, invocation
from automate_api.cli.output import (
    Column,
    clock_time,
    error_text,
    named,
    print_json,
    print_json_line,
    print_object,
    print_table,
    status_text,
    time_column,
)
from automate_api.cli.servers import path_of

STATUSES = ("queued", "running", "waiting", "succeeded", "failed", "cancelled")
PERIODS = ("1h", "24h", "7d", "30d")
TIMEOUT = "Stop waiting after this number of seconds, with exit code 1. The run continues."


@click.group(cls=ApiGroup)
def runs() -> None:
    """Start, watch, cancel and re-run runs."""


@runs.command
@click.argument("slug", shell_complete=complete_workflows)
@click.option("--input", "pairs", metavar="NAME=TEXT", multiple=True, help="An input. NAME:=JSON for other types.")
@click.option("--inputs", "file", metavar="FILE", help="A JSON file of inputs; - is standard input.")
@click.option("--trigger", metavar="KEY", help="The manual trigger to use, if there are several.")
@click.option("--wait", "waits", is_flag=True, help="Follow the run; the exit code is 1 if it does not succeed.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help=TIMEOUT)
@click.option(
    "--idempotency-key", "key", metavar="KEY", help="A repeated start with the same key returns the same run."
)
@click.pass_context
def start(
    context: click.Context, slug: str, pairs: tuple[str, ...], file: str | None, trigger: str | None, waits: bool,
    timeout: float | None, key: str | None,
) -> None:  # fmt: skip
    """Start a run of a workflow."""
    call = invocation()
    body: dict[str, Any] = {"inputs": read_inputs(pairs, file), **({"trigger": trigger} if trigger else {})}
    client = call.client()
    started = client.post(path_of("workflows", slug, "runs"), body, key=key)
    _report_started(context, client, started, waits=waits, timeout=timeout)


@runs.command("list")
@click.option(
    "--workflow", metavar="SLUG", multiple=True, shell_complete=complete_workflows,
    help="Only runs of this workflow. Repeatable.",
)  # fmt: skip
@click.option("--status", type=click.Choice(STATUSES), multiple=True, help="Only runs in this status. Repeatable.")
@click.option("--search", metavar="TEXT", help="Only runs with this workflow, ID, search term or error.")
@click.option("--since", type=click.Choice(PERIODS), help="Only runs of the last hours or days.")
@click.option(
    "--filter", "filters", metavar="NAME=VALUE", multiple=True, help="Any other filter of the API. Repeatable."
)
@click.option("--limit", type=click.IntRange(1), default=30, show_default=True, help="Maximum number of runs.")
def list_runs(
    workflow: tuple[str, ...], status: tuple[str, ...], search: str | None, since: str | None,
    filters: tuple[str, ...], limit: int,
) -> None:  # fmt: skip
    """List runs, newest first."""
    call = invocation()
    others = read_filters(filters)
    client = call.client()
    found = client.items("/runs", limit=limit, **others, workflow=workflow, status=status, search=search, since=since)
    columns = [
        named("id", cut=False), named("workflow"), named("status", coloured=True, cut=False),
        time_column("created_at", "Created"), named("subject"),
    ]  # fmt: skip
    call.print_list(found, columns, empty="No runs.")


@runs.command
@click.argument("run")
@click.option("--steps/--no-steps", default=True, help="Also list the steps.")
@click.option("--outputs/--no-outputs", default=True, help="Also show the steps' outputs, if you may view them.")
def show(run: str, steps: bool, outputs: bool) -> None:
    """Show a run, its steps and their outputs."""
    call = invocation()
    client = call.client()
    found = client.get(path_of("runs", run))
    listed = client.items(path_of("runs", run, "steps")) if steps else []
    data = _outputs(client, run) if outputs else {}
    if call.as_json:
        return print_json({**found, **data, **({"steps": listed} if steps else {})})
    waits = found.pop("waits", [])
    print_object(found)
    if waits:
        click.echo()
        columns = [
            named("kind", "Waits for", cut=False), named("workflow"), named("step"), named("title"),
            time_column("due_at", "Due"), named("page", cut=False),
        ]  # fmt: skip
        print_table(waits, columns, empty="No waits.")
    if listed:
        click.echo()
        columns = [
            named("path", "Step"), named("attempt", cut=False), named("status", coloured=True, cut=False),
            time_column("started_at", "Started"), Column("Error", lambda attempt: error_text(attempt.get("error"))),
        ]  # fmt: skip
        print_table(listed, columns, empty="No steps.")
    if data.get("outputs"):
        click.echo()
        rows = [{"step": step, "output": output} for step, output in data["outputs"].items()]
        print_table(rows, [named("step", cut=False), named("output")], empty="No outputs.")
    return None


@runs.command
@click.argument("run")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help=TIMEOUT)
@click.pass_context
def tail(context: click.Context, run: str, timeout: float | None) -> None:
    """Follow a run until it ends. The exit code is 0 if it succeeded, else 1."""
    call = invocation()
    context.exit(_watch(call.client(), run, timeout, quiet=False))


@runs.command
@click.argument("run")
@click.option("--reason", metavar="TEXT", help="Shown on the run and in the audit trail.")
def cancel(run: str, reason: str | None) -> None:
    """Cancel a run."""
    call = invocation()
    found = call.client().post(path_of("runs", run, "cancel"), {"reason": reason or ""})
    call.report(found, f"{run}: {found['status']}")


@runs.command
@click.argument("run")
@click.option("--from", "step", metavar="STEP", help="start, failed, or the path of a step. Default: the failed step.")
@click.option("--newest", is_flag=True, help="Use the newest version of the workflow, not that of the run.")
@click.option("--unknown", is_flag=True, help="Also when a step may have taken effect, which may be repeated.")
@click.option("--wait", "waits", is_flag=True, help="Follow the new run; the exit code is 1 if it does not succeed.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help=TIMEOUT)
@click.pass_context
def rerun(
    context: click.Context,
    run: str,
    step: str | None,
    newest: bool,
    unknown: bool,
    waits: bool,
    timeout: float | None,
) -> None:
    """Start a new run from an ended one."""
    call = invocation()
    client = call.client()
    body = {"from_step": step, "version": "newest" if newest else "original", "unknown": unknown}
    started = client.post(path_of("runs", run, "rerun"), body)
    _report_started(context, client, started, waits=waits, timeout=timeout)


def _report_started(
    context: click.Context, client: Client, started: dict[str, Any], *, waits: bool, timeout: float | None
) -> None:
    """Print the ID of a new run; or follow the run, whose ID is known from the first line on, and exit."""
    call = invocation()
    if not waits:
        call.report(started, str(started["id"]))
        return
    if not call.as_json:
        _print_line("", started["id"], started["status"], "")
    context.exit(_watch(client, started["id"], timeout, quiet=call.as_json))


def _watch(client: Client, run: str, timeout: float | None, *, quiet: bool) -> int:
    """Follow a run, and give the exit code that tells its outcome; `quiet` prints the run alone, at its end."""
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
            _print_line("", run, status, "")
    found = client.get(path_of("runs", run))
    if quiet:
        print_json({**found, **_outputs(client, run)})
    elif not as_json:
        _print_line("", run, found["status"], error_text(found.get("error")))
    return 0 if found["status"] == "succeeded" else 1


def _outputs(client: Client, run: str) -> dict[str, Any]:
    """`outputs` of a run by its steps; nothing for people who may not view payloads."""
    try:
        return {"outputs": client.get(path_of("runs", run, "outputs"))["outputs"]}
    except RejectedError as error:
        if error.status != 403:
            raise
        return {}


def _print_event(name: str, data: dict[str, Any]) -> None:
    """One line about a step, or of its log."""
    if name == "step":
        attempt = f"attempt {data['attempt']}" if data.get("attempt", 1) > 1 else ""
        error = error_text({**(data.get("error") or {}), "step": None})
        time = data.get("finished_at") or data.get("started_at")
        _print_line(time, data["path"], data["status"], "  ".join(filter(None, [attempt, error])))
    elif name == "log":
        _print_line(data.get("at"), data["path"], data["level"], data["message"])


def _print_line(time: Any, what: str, status: str, text: str) -> None:
    click.echo("  ".join(filter(None, [clock_time(time), one_line(what), status_text(status), one_line(text)])))
