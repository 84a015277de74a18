"""Runs: start, watch, cancel and re-run them."""

from __future__ import annotations

from typing import Any

import click

from automate_cli.client import Client
from automate_cli.commands.completion import complete_workflows
from automate_cli.inputs import read_filters, read_inputs
from automate_cli.invocation import ApiGroup, invocation
from automate_cli.output import (
    Column,
    error_text,
    named,
    print_json,
    print_object,
    print_table,
    time_column,
)
from automate_cli.run_ids import read_run_id
from automate_cli.servers import path_of
from automate_cli.watched_run import TIMEOUT, print_line, read_outputs, watch

STATUSES = ("queued", "running", "waiting", "succeeded", "failed", "cancelled")
PERIODS = ("1h", "24h", "7d", "30d")


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
    run = read_run_id(client, run)
    found = client.get(path_of("runs", run))
    listed = client.items(path_of("runs", run, "steps")) if steps else []
    data = read_outputs(client, run) if outputs else {}
    if call.as_json:
        return print_json({**found, **data, **({"steps": listed} if steps else {})})
    waits = found.pop("waits", [])
    print_object(found)
    if waits:
        click.echo()
        columns = [
            named("kind", "Waits for", cut=False), named("workflow"), named("step"), named("title"),
            time_column("due_at", "Due"),
            Column("URL", lambda wait: wait.get("page") or wait.get("answer_url"), cut=False),
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
    client = invocation().client()
    context.exit(watch(client, read_run_id(client, run), timeout, quiet=False))


@runs.command
@click.argument("run")
@click.option("--reason", metavar="TEXT", help="Shown on the run and in the audit trail.")
def cancel(run: str, reason: str | None) -> None:
    """Cancel a run."""
    call = invocation()
    client = call.client()
    found = client.post(path_of("runs", read_run_id(client, run), "cancel"), {"reason": reason or ""})
    call.report(found, f"{run}: {found['status']}")


@runs.command
@click.argument("run")
@click.option("--from", "step", metavar="STEP", help="start, failed, or the path of a step. Default: the failed step.")
@click.option("--newest", is_flag=True, help="Use the newest version of the workflow, not that of the run.")
@click.option("--again", is_flag=True, help="Also when a re-run succeeded or has not ended.")
@click.option("--unknown", is_flag=True, help="Also when a step may have taken effect, which may be repeated.")
@click.option("--wait", "waits", is_flag=True, help="Follow the new run; the exit code is 1 if it does not succeed.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help=TIMEOUT)
@click.pass_context
def rerun(
    context: click.Context,
    run: str,
    step: str | None,
    newest: bool,
    again: bool,
    unknown: bool,
    waits: bool,
    timeout: float | None,
) -> None:
    """Start a new run from an ended one."""
    call = invocation()
    client = call.client()
    body = {"from_step": step, "version": "newest" if newest else "original", "again": again, "unknown": unknown}
    started = client.post(path_of("runs", read_run_id(client, run), "rerun"), body)
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
        print_line("", started["id"], started["status"], "")
    context.exit(watch(client, started["id"], timeout, quiet=call.as_json))
