"""`automate workflows test`: a dry run of a draft, with what its steps would do."""

from __future__ import annotations

from typing import Any

import click

from automate_cli.client import Client
from automate_cli.commands.completion import complete_workflows
from automate_cli.commands.workflows import workflows
from automate_cli.errors import BadInputError
from automate_cli.inputs import read_inputs
from automate_cli.invocation import invocation
from automate_cli.output import named, print_table
from automate_cli.servers import path_of
from automate_cli.watched_run import TIMEOUT, print_line, read_outputs, watch

MOST_STEPS = 200  #: whose data is read


@workflows.command("test")
@click.argument("slug", shell_complete=complete_workflows)
@click.option(
    "--data", "pairs", metavar="NAME=TEXT", multiple=True, help="A field of the payload. NAME:=JSON for other types."
)
@click.option("--payload", "file", metavar="FILE", help="A JSON file with the payload; - is standard input.")
@click.option(
    "--mock", "mocks", metavar="STEP:=JSON", multiple=True, help="The output of a step, which does not run. Repeatable."
)
@click.option("--mocks", "mock_file", metavar="FILE", help="A JSON file with outputs by the keys of steps.")
@click.option(
    "--outcome", "outcomes", metavar="STEP=OUTCOME", multiple=True,
    help="The outcome of an approval. Default: its first one. Repeatable.",
)  # fmt: skip
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help=TIMEOUT)
@click.pass_context
def test_draft(
    context: click.Context, slug: str, pairs: tuple[str, ...], file: str | None, mocks: tuple[str, ...],
    mock_file: str | None, outcomes: tuple[str, ...], timeout: float | None,
) -> None:  # fmt: skip
    """Test the draft of a workflow. The exit code is 0 if the test succeeded, else 1.

    Nothing happens outside: calls to other systems are described and not made, and database changes are rolled back.
    Without a payload, the newest event is used, else an example.
    """
    call = invocation()
    chosen = read_inputs(outcomes, None, "--outcome")
    if wrong := next((key for key, outcome in chosen.items() if not isinstance(outcome, str)), ""):
        raise BadInputError(f"--outcome {wrong}: the outcome must be a text.")
    body: dict[str, Any] = {"mocks": read_inputs(mocks, mock_file, "--mock"), "outcomes": chosen}
    if pairs or file:
        body["payload"] = read_inputs(pairs, file, "--data")
    client = call.client()
    run = client.post(path_of("workflows", slug, "draft", "test"), body)
    if not call.as_json:
        print_line("", run["id"], run["status"], "")
    code = watch(client, run["id"], timeout, quiet=call.as_json, read_more=_read_steps)
    if not call.as_json:
        _print_effects(_read_steps(client, run["id"])["steps"])
    context.exit(code)


def _read_steps(client: Client, run: str) -> dict[str, Any]:
    """The outputs of the run, and its attempts with their data."""
    listed = client.items(path_of("runs", run, "steps"), limit=MOST_STEPS)
    steps = [client.get(path_of("runs", run, "steps", each["id"])) for each in listed]
    return {**read_outputs(client, run), "steps": steps}


def _print_effects(steps: list[dict[str, Any]]) -> None:
    rows = [{"step": step["path"], "effect": _effect(each)} for step in steps for each in step["foreseen_effects"]]
    if rows:
        click.echo()
        print_table(rows, [named("step", cut=False), named("effect", "Would happen")], empty="")


def _effect(document: dict[str, Any]) -> str:
    """A predicted effect in words: of a call, of many rows, or of one row with its changed fields."""
    if document["kind"] in {"call", "unknown"}:
        return f"{document['name']}: {document['summary']}"
    if "count" in document:
        return f"{document['kind']}: {document['count']} rows of {document['model']}"
    fields = ", ".join(str(each["label"]) for each in document["fields"])
    return f"{document['kind']}: {document['name']} {document['pk']}{f' ({fields})' if fields else ''}"
