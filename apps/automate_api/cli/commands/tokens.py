"""API tokens of this person."""

from __future__ import annotations

from typing import Any

import click

from automate_api.cli.commands.completion import complete_workflows
from automate_api.cli.invocation import ApiGroup, invocation
from automate_api.cli.output import named, print_json, print_note, print_table, print_warning, time_column
from automate_api.cli.servers import path_of


@click.group(cls=ApiGroup)
def tokens() -> None:
    """List, create, rotate and revoke API tokens."""


@tokens.command("list")
def list_tokens() -> None:
    """List your tokens, without their secret parts."""
    call = invocation()
    found = call.client().items("/tokens")
    if call.as_json:
        return print_json(found)
    columns = [
        named("id", cut=False), named("name"), named("prefix", cut=False), named("scopes"),
        time_column("expires_at", "Expires"), time_column("last_used_at", "Last used"),
    ]  # fmt: skip
    print_table(found, columns, empty="No tokens.")
    return None


@tokens.command
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, metavar="KIND:VERB", help="Such as workflow:run. Repeatable."
)
@click.option(
    "--workflow",
    "slugs",
    multiple=True,
    metavar="SLUG",
    shell_complete=complete_workflows,
    help="Only for this workflow. Repeatable.",
)
@click.option("--days", type=click.IntRange(1), help="Days until it expires. Default: the server's.")
def create(name: str, scopes: tuple[str, ...], slugs: tuple[str, ...], days: int | None) -> None:
    """Create a token and print it, once, on standard output."""
    body: dict[str, Any] = {"name": name, "scopes": list(scopes), "workflows": list(slugs) or None, "days": days}
    _print_once(invocation().client().post("/tokens", {key: value for key, value in body.items() if value is not None}))


@tokens.command
@click.argument("token", metavar="ID")
def rotate(token: str) -> None:
    """Create the successor of a token and print it, once; the old one stays valid for a while."""
    _print_once(invocation().client().post(path_of("tokens", token, "rotate")))


@tokens.command
@click.argument("token", metavar="ID")
def revoke(token: str) -> None:
    """Revoke a token at once."""
    call = invocation()
    found = call.client().post(path_of("tokens", token, "revoke"))
    if call.as_json:
        print_json(found)
    else:
        print_note(f"{token}: revoked")


def _print_once(made: Any) -> None:
    if invocation().as_json:
        return print_json(made)
    print_warning("Copy the token now. It is shown only once.")
    click.echo(made["token"])
    return None
