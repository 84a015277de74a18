"""Approvals: tasks that wait for a decision of this person."""

from __future__ import annotations

from typing import Any

import click

from automate_cli.inputs import read_inputs
from automate_cli.invocation import ApiGroup, invocation
from automate_cli.output import named, time_column
from automate_cli.servers import path_of


@click.group(cls=ApiGroup)
def approvals() -> None:
    """List and decide your approvals."""


@approvals.command("list")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Maximum number of approvals.")
def list_approvals(limit: int) -> None:
    """List the approvals that wait for you."""
    call = invocation()
    found = call.client().items("/approvals", limit=limit)
    columns = [
        named("id", cut=False), named("workflow"), named("message"), named("outcomes"),
        time_column("due_at", "Deadline"),
    ]  # fmt: skip
    call.print_list(found, columns, empty="No approvals wait for you.")


@approvals.command
@click.argument("approval", metavar="ID")
@click.argument("outcome")
@click.option(
    "--answer", "pairs", metavar="NAME=TEXT", multiple=True, help="A field of the form. NAME:=JSON for other types."
)
@click.option("--answers", "file", metavar="FILE", help="A JSON file with the answers; - is standard input.")
def decide(approval: str, outcome: str, pairs: tuple[str, ...], file: str | None) -> None:
    """Decide an approval with one of its outcomes, such as approved or rejected."""
    call = invocation()
    body: dict[str, Any] = {"outcome": outcome, "form": read_inputs(pairs, file, "--answer")}
    decided = call.client().post(path_of("approvals", approval, "decide"), body)
    call.report(decided, f"{approval}: {outcome}")
