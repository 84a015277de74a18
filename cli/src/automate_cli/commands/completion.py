"""Completion of commands, options and names by the shell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from automate_cli.client import Client
from automate_cli.errors import BadInputError, one_line
from automate_cli.invocation import Invocation

_SAFE = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")  #: what no shell interprets
SECONDS = 1.0  #: to connect, and to wait for the server, while a person waits for the Tab key


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  automate completion bash > ~/.local/share/bash-completion/completions/automate
    zsh:   automate completion zsh > "${fpath[1]}/_automate"
    fish:  automate completion fish > ~/.config/fish/completions/automate.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise BadInputError(f"There is no completion for {shell}.")
    click.echo(ShellComplete.source(kind(context.find_root().command, {}, "automate", "_AUTOMATE_COMPLETE")))


def completer(found: Callable[[Client], Iterable[tuple[str, str]]]) -> Any:
    """A callback that completes names, each with a word about it; without an answer in time it completes nothing."""

    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        try:
            client = context.ensure_object(Invocation).client(attempts=1, timeout=(SECONDS, SECONDS))
            return [
                CompletionItem(name, help=one_line(text))
                for name, text in found(client)
                if _SAFE.fullmatch(name) and name.startswith(begun)
            ]
        except Exception:  # noqa: BLE001 - nothing may be printed between a person's words
            return []

    return complete


def _slugs(path: str) -> Callable[[Client], Iterable[tuple[str, str]]]:
    return lambda client: [(item["slug"], str(item.get("name") or "")) for item in client.get(path, limit=100)["items"]]


complete_workflows = completer(_slugs("/workflows"))
complete_connections = completer(_slugs("/connections"))
