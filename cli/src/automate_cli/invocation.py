"""One call of the command line: the server it talks to, with which token, and in which form it answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from automate_cli.client import Client
from automate_cli.credentials import Credentials, Token
from automate_cli.errors import NotAllowedError
from automate_cli.output import Column, print_json, print_note, print_table
from automate_cli.servers import server_address

SERVER, TOKEN = "AUTOMATE_SERVER", "AUTOMATE_TOKEN"


@dataclass
class Invocation:
    """What the options say that all commands have."""

    server: str | None = None
    insecure: bool = False
    as_json: bool = False
    credentials: Credentials = field(default_factory=Credentials)

    def address(self) -> str:
        """The server: the option, else the environment, else that of the last sign-in. Raises NotAllowedError."""
        chosen = self.server or os.environ.get(SERVER) or self.credentials.default_server()
        if not chosen:
            raise NotAllowedError("You are not signed in. Run: automate login SERVER")
        return server_address(chosen)

    def token_is_given(self) -> bool:
        """Whether the token comes from the environment, not from a sign-in."""
        return bool(os.environ.get(TOKEN))

    def client(self, **options: Any) -> Client:
        """For the server, with the token of the environment or the stored one. Raises NotAllowedError."""
        server = self.address()
        given = os.environ.get(TOKEN)
        token = Token(given) if given else self.credentials.token(server)
        if token is None:
            raise NotAllowedError(f"You are not signed in to {server}. Run: automate login {server}")
        return Client(server, token, insecure=self.insecure, **options)

    def report(self, document: Any, line: str) -> None:
        """Print what was done: a line for people, or the answer of the API for programs."""
        if self.as_json:
            print_json(document)
        else:
            print_note(line)

    def print_list(self, items: list[dict[str, Any]], columns: Sequence[Column], *, empty: str) -> None:
        """Print objects as a table, or as JSON for programs; `empty` is said of none."""
        if self.as_json:
            print_json(items)
        else:
            print_table(items, columns, empty=empty)


def invocation() -> Invocation:
    """That of the command that is running."""
    return click.get_current_context().ensure_object(Invocation)


def _remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    chosen = context.ensure_object(Invocation)
    if value:
        setattr(chosen, str(option.name), value)


def common_options(*, as_json: bool = True) -> list[click.Parameter]:
    """Options of every command, which can also stand before its name."""
    found: list[click.Parameter] = [
        click.Option(
            ["--server"], metavar="URL", expose_value=False, callback=_remember,
            help=f"Server to use. Default: {SERVER}, else the server of the last login.",
        ),
        click.Option(
            ["--insecure"], is_flag=True, expose_value=False, callback=_remember,
            help="Send the token over plain HTTP, where others can read it.",
        ),
    ]  # fmt: skip
    if as_json:
        shown = "Print JSON for programs."
        found.append(
            click.Option(["--json", "as_json"], is_flag=True, expose_value=False, callback=_remember, help=shown)
        )
    return found


class ApiCommand(click.Command):
    """A command with the common options."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params += common_options()


class ApiGroup(click.Group):
    """A group whose commands have the common options."""

    command_class = ApiCommand


ApiGroup.group_class = ApiGroup
