"""API tokens of this person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from automate_cli.commands.completion import complete_workflows
from automate_cli.credentials import Token
from automate_cli.invocation import ApiGroup, invocation
from automate_cli.output import Column, local_time, named, print_json, print_note, print_warning, time_column
from automate_cli.servers import path_of

MOST_DAYS = 90  #: that a token can give to another one, or to itself
_SHOWN_SCOPES = 3  #: in a list


@click.group(cls=ApiGroup)
def tokens() -> None:
    """List, create, rotate and revoke API tokens."""


@tokens.command("list")
def list_tokens() -> None:
    """List your tokens, without their secret parts."""
    call = invocation()
    found = call.client().items("/tokens")
    columns = [
        named("id", cut=False), named("name"), named("prefix", cut=False), Column("Scopes", _scopes),
        time_column("expires_at", "Expires"), time_column("last_used_at", "Last used"),
        time_column("revoked_at", "Revoked"),
    ]  # fmt: skip
    call.print_list(found, columns, empty="No tokens.")


def _scopes(token: Mapping[str, Any]) -> str:
    """The first scopes; `--json` has all."""
    first, others = token["scopes"][:_SHOWN_SCOPES], token["scopes"][_SHOWN_SCOPES:]
    return ", ".join(first) + (f" and {len(others)} more" if others else "")


@tokens.command
@click.argument("name")
@click.option(
    "--scope", "--scopes", "scopes", multiple=True, required=True, metavar="KIND:VERB",
    help="Such as workflow:run. Several are separated by commas, or repeated.",
)  # fmt: skip
@click.option(
    "--workflow", "slugs", multiple=True, metavar="SLUG", shell_complete=complete_workflows,
    help="Only for this workflow. Repeatable.",
)  # fmt: skip
@click.option("--days", type=click.IntRange(1, MOST_DAYS), help="Days until it expires. Default: 90.")
def create(name: str, scopes: tuple[str, ...], slugs: tuple[str, ...], days: int | None) -> None:
    """Create a token and print it, once, on standard output.

    It can do no more than the token that you are signed in with, and expires with it at the latest.
    """
    body: dict[str, Any] = {"name": name, "scopes": _split(scopes), "workflows": list(slugs) or None, "days": days}
    given = {field: value for field, value in body.items() if value is not None}
    _print_once(invocation().client().post("/tokens", given))


def _split(scopes: tuple[str, ...]) -> list[str]:
    return [scope.strip() for each in scopes for scope in each.split(",") if scope.strip()]


@tokens.command
@click.argument("token", metavar="[ID]", type=int, required=False)
@click.option(
    "--overlap", type=click.IntRange(0, 720), metavar="HOURS", help="Hours that the old token stays valid. Default: 24."
)
@click.option("--days", type=click.IntRange(1, MOST_DAYS), help="Days until it expires. Default: 90.")
def rotate(token: int | None, overlap: int | None, days: int | None) -> None:
    """Replace the text of a token and print it, once.

    Without ID, the token that you are signed in with is rotated. The new text is stored and not printed, unless the
    token comes from AUTOMATE_TOKEN.
    """
    call = invocation()
    client = call.client()
    body = {"overlap_hours": overlap, "days": days}
    rotated = token or int(client.get("/tokens/current")["id"])
    made = client.post(
        path_of("tokens", str(rotated), "rotate"), {name: value for name, value in body.items() if value is not None}
    )
    if token is not None or call.token_is_given():
        return _print_once(made)
    call.credentials.replace(client.server, Token(made.pop("token")))
    if call.as_json:
        return print_json(made)
    return print_note(f"{made['name']} is rotated and stored. It expires on {local_time(made['expires_at'])}.")


@tokens.command
@click.argument("token", metavar="ID", type=int)
def revoke(token: int) -> None:
    """Revoke a token at once."""
    call = invocation()
    found = call.client().post(path_of("tokens", str(token), "revoke"))
    call.report(found, f"{found['name']} is revoked.")


def _print_once(made: Any) -> None:
    if invocation().as_json:
        return print_json(made)
    print_warning("Copy the token now. It is shown only once.")
    click.echo(made["token"])
    return None
