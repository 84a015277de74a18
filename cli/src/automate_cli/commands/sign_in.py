"""Sign in to a server with an API token, and out again."""

from __future__ import annotations

import os
import sys

import click

from automate_cli.client import Client
from automate_cli.credentials import Token
from automate_cli.errors import BadInputError, NotAllowedError
from automate_cli.invocation import SERVER, TOKEN, ApiCommand, invocation
from automate_cli.output import local_time, print_json, print_note
from automate_cli.servers import check_encrypted, server_address


@click.command(cls=ApiCommand)
@click.argument("address", metavar="[URL]", required=False)
@click.option("--stdin", "from_stdin", is_flag=True, help=f"Read the token from standard input, not from {TOKEN}.")
def login(address: str | None, from_stdin: bool) -> None:
    """Sign in to the server at URL, which becomes the default.

    The token is read from AUTOMATE_TOKEN, from standard input or from a prompt, and checked by the server. Create one
    under "API tokens" in the admin.
    """
    call = invocation()
    chosen = address or call.server or os.environ.get(SERVER)
    if not chosen:
        raise BadInputError("Name the server, for example: automate login https://automate.example.com")
    server = server_address(chosen)
    check_encrypted(server, insecure=call.insecure)
    token = _read_token(server, from_stdin=from_stdin)
    found = Client(server, token, insecure=call.insecure).get("/tokens/current")
    call.credentials.store(server, token)
    if call.as_json:
        return print_json({"server": server, "credentials": str(call.credentials.path), "token": found})
    print_note(f"Signed in to {server} as {found['owner']} until {local_time(found['expires_at'])}.")
    return print_note(f"The token is stored in {call.credentials.path}.")


@click.command(cls=ApiCommand)
@click.argument("address", metavar="[URL]", required=False)
@click.option("--all", "everywhere", is_flag=True, help="Delete the tokens of all servers.")
def logout(address: str | None, everywhere: bool) -> None:
    """Delete the stored token of a server. The token stays valid until it is revoked."""
    call = invocation()
    servers = call.credentials.servers() if everywhere else [server_address(address) if address else call.address()]
    forgotten = [server for server in servers if call.credentials.forget(server)]
    if not forgotten:
        raise NotAllowedError("You are not signed in." if everywhere else f"You are not signed in to {servers[0]}.")
    if call.as_json:
        print_json({"servers": forgotten})
    for server in () if call.as_json else forgotten:
        print_note(f"Signed out of {server}.")


def _read_token(server: str, *, from_stdin: bool) -> Token:
    given = os.environ.get(TOKEN)
    if given and not from_stdin:
        return Token(given)
    if from_stdin or not sys.stdin.isatty():
        return Token(sys.stdin.readline(1000))
    return Token(str(click.prompt(f"Token for {server}", hide_input=True, err=True)))
