"""Completion of commands, options and names by the shell."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from automate_cli.errors import BadInputError, one_line
from automate_cli.invocation import Invocation
from automate_cli.workflow_files import SLUG

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


def complete_slugs(path: str) -> Any:
    """A callback that completes the slugs of a list of the API; without an answer in time it completes nothing."""

    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        try:
            client = context.ensure_object(Invocation).client(attempts=1, timeout=(SECONDS, SECONDS))
            page = client.get(path, limit=100)
            return [
                CompletionItem(item["slug"], help=one_line(str(item.get("name") or "")))
                for item in page["items"]
                if SLUG.fullmatch(item["slug"]) and item["slug"].startswith(begun)
            ]
        except Exception:  # noqa: BLE001 - nothing may be printed between a person's words
            return []

    return complete


complete_workflows = complete_slugs("/workflows")
complete_connections = complete_slugs("/connections")
