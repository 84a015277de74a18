"""Any operation of the API."""

from __future__ import annotations

from collections.abc import Iterable

import click

from automate_cli.client import Client
from automate_cli.commands.completion import completer
from automate_cli.errors import BadInputError, printable
from automate_cli.follow import SILENCE_SECONDS
from automate_cli.inputs import read_filters, read_inputs
from automate_cli.invocation import ApiCommand, invocation
from automate_cli.operations import Call, Operation, call_of, read_operations
from automate_cli.output import is_terminal, named, print_json


def _names(client: Client) -> Iterable[tuple[str, str]]:
    return [(each.name, each.summary) for each in read_operations(client).values()]


@click.command("api", cls=ApiCommand)
@click.argument("operation", required=False, shell_complete=completer(_names))
@click.option(
    "--param", "params", metavar="NAME=VALUE", multiple=True, help="A parameter of the path, query or header."
)
@click.option("--body", "pairs", metavar="NAME=TEXT", multiple=True, help="A field of the body. NAME:=JSON for others.")
@click.option("--body-file", "file", metavar="FILE", help="A JSON file of the body; - is standard input.")
def api(operation: str | None, params: tuple[str, ...], pairs: tuple[str, ...], file: str | None) -> None:
    """Call an OPERATION of the API and print its answer; without one, list them.

    The operations are those of the server's OpenAPI document, such as list_runs or pause_workflow.
    """
    call = invocation()
    client = call.client()
    operations = read_operations(client)
    if operation is None:
        columns = [named("name", "Operation", cut=False), named("parameters"), named("summary")]
        return call.print_list([_described(each) for each in operations.values()], columns, empty="No operations.")
    if (chosen := operations.get(operation)) is None:
        raise BadInputError(f"The server has no operation {operation}. To list them: automate api")
    if (pairs or file) and not chosen.takes_body:
        raise BadInputError(f"{operation} takes no body.")
    sent = call_of(chosen, read_filters(params, "--param"))
    if chosen.streams:
        return _print_stream(client, sent)
    return _print_answer(client, chosen, sent, read_inputs(pairs, file, "--body") if chosen.takes_body else None)


def _described(operation: Operation) -> dict[str, object]:
    return {
        "name": operation.name,
        "method": operation.method,
        "path": operation.path,
        "summary": operation.summary,
        "parameters": ", ".join(operation.places),
        "takes_body": operation.takes_body,
    }


def _print_answer(client: Client, operation: Operation, sent: Call, body: object) -> None:
    """JSON in lines; anything else as it is, except on a terminal, which obeys some characters."""
    from automate_cli.transport import json_of

    key = sent.headers.pop("Idempotency-Key", None)
    answer = client.transport.send(
        operation.method, sent.path, params=sent.query, headers={"Accept": "*/*", **sent.headers}, body=body, key=key
    )
    if not answer.content:
        return
    if operation.answers_json and answer.headers.get("Content-Type", "").startswith("application/json"):
        print_json(json_of(answer, client.server))
    elif is_terminal():
        for line in answer.content.decode("utf-8", "replace").splitlines():
            click.echo(printable(line))
    else:
        click.echo(answer.content, nl=False)


def _print_stream(client: Client, sent: Call) -> None:
    for line in client.transport.lines(sent.path, params=sent.query, headers=sent.headers, silence=SILENCE_SECONDS):
        click.echo(printable(line))
