"""Events: send them, and process them again."""

from __future__ import annotations

import click

from automate_api.cli.inputs import read_inputs
from automate_api.cli.invocation import ApiGroup, invocation
from automate_api.cli.servers import path_of


@click.group(cls=ApiGroup)
def events() -> None:
    """Send and replay events."""


@events.command
@click.argument("event_type", metavar="TYPE")
@click.option(
    "--data", "pairs", metavar="NAME=TEXT", multiple=True, help="A field of the payload. NAME:=JSON for other types."
)
@click.option("--payload", "file", metavar="FILE", help="A JSON file with the payload; - is standard input.")
@click.option("--idempotency-key", "key", metavar="KEY", help="Events with the same key are stored once.")
def send(event_type: str, pairs: tuple[str, ...], file: str | None, key: str | None) -> None:
    """Send an event of TYPE, which starts the workflows that listen to it."""
    call = invocation()
    body = {"type": event_type, "payload": read_inputs(pairs, file, "--data")}
    sent = call.client().post("/events", body, key=key)
    call.report(sent, f"{sent['id']}  {event_type}")


@events.command
@click.argument("event", metavar="ID")
def replay(event: str) -> None:
    """Process an event again: its payload becomes a new event."""
    call = invocation()
    made = call.client().post(path_of("events", event, "replay"))
    call.report(made, str(made["id"]))
