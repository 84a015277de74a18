"""Events: send them, and process them again."""

from __future__ import annotations

from typing import Any

import click

from automate_cli.errors import BadInputError
from automate_cli.inputs import read_inputs
from automate_cli.invocation import ApiGroup, invocation
from automate_cli.servers import path_of

PERIODS = ("1h", "24h", "7d", "30d")


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


@events.command("replay-unstarted")
@click.option("--source", help="Only events of this source, such as webhook:github.")
@click.option("--type", "event_type", metavar="TYPE", help="Only events of this type.")
@click.option("--since", type=click.Choice(PERIODS), help="Only events of the last hours or days.")
@click.option("--search", metavar="TEXT", help="Only events with this ID, trace ID or delivery key.")
@click.option("--payload", metavar="TEXT", help="Only events whose payload contains this JSON or text.")
@click.option("--dry-run", is_flag=True, help="Only count the events.")
def replay_unstarted(dry_run: bool, event_type: str | None, **filters: str | None) -> None:
    """Replay the events that started no run and match the filters. A worker does it."""
    call = invocation()
    given = {name: value for name, value in {**filters, "type": event_type}.items() if value}
    if not given:
        raise BadInputError("Choose the events by at least one filter, such as --source or --since.")
    client, body = call.client(), {"filters": given}
    counted = client.post("/events/replay", {**body, "dry_run": True})
    said = f"{counted['applies_to']} of {counted['found']} events that started no run can be replayed{_why(counted)}"
    if dry_run:
        return call.report(counted, said)
    made = client.post("/events/replay", {**body, "upto": counted["newest"]})
    return call.report(made, f"{said}\nbulk action {made['id']}: {made['total']} events")


def _why(counted: dict[str, Any]) -> str:
    """The numbers of events that are left out, by reason."""
    names = {"replayed": "already replayed", "unprocessed": "not processed yet", "unsuitable": "cannot be replayed"}
    names["not_permitted"] = "payload not permitted"
    named = ", ".join(f"{counted[key]} {name}" for key, name in names.items() if counted[key])
    return f"; left out: {named}" if named else ""
