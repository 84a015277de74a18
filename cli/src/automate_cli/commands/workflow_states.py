"""Pausing, resuming, archiving, restoring and deleting a workflow."""

from __future__ import annotations

from typing import Any

import click

from automate_cli.commands.completion import complete_workflows
from automate_cli.commands.workflows import workflows
from automate_cli.errors import BadInputError
from automate_cli.inputs import may_ask
from automate_cli.invocation import invocation
from automate_cli.servers import path_of


@workflows.command
@click.argument("slug", shell_complete=complete_workflows)
@click.option("--reason", metavar="TEXT", default="", help="Why. Shown with the workflow.")
def pause(slug: str, reason: str) -> None:
    """Pause a workflow: its events are accepted, and new runs wait."""
    _change(slug, "pause", {"reason": reason})


@workflows.command
@click.argument("slug", shell_complete=complete_workflows)
@click.option("--discard", is_flag=True, help="Cancel the runs that waited. Default: they start.")
def resume(slug: str, discard: bool) -> None:
    """Resume a paused workflow, and start the runs that waited."""
    _change(slug, "resume", {"backlog": "discard" if discard else "run"})


@workflows.command
@click.argument("slug", shell_complete=complete_workflows)
def archive(slug: str) -> None:
    """Archive a workflow: no run starts, and runs in progress finish."""
    _change(slug, "archive")


@workflows.command
@click.argument("slug", shell_complete=complete_workflows)
def restore(slug: str) -> None:
    """Restore an archived workflow. One with a published version is paused afterwards."""
    _change(slug, "restore")


@workflows.command
@click.argument("slug", shell_complete=complete_workflows)
@click.option("--yes", "agreed", is_flag=True, help="Do not ask.")
def delete(slug: str, agreed: bool) -> None:
    """Delete a workflow that has no runs, and that no published workflow calls."""
    if not agreed and not may_ask():
        raise BadInputError("To delete without a question, add --yes.")
    call = invocation()
    client = call.client()
    if agreed or click.confirm(f"Delete {slug} from {client.server}?", err=True):
        client.send("DELETE", path_of("workflows", slug))
        call.report({"slug": slug, "result": "deleted"}, f"{slug}: deleted")


def _change(slug: str, action: str, body: dict[str, Any] | None = None) -> None:
    """Print the status that the workflow has afterwards."""
    call = invocation()
    changed = call.client().post(path_of("workflows", slug, action), body)
    call.report(changed, f"{slug}: {changed['status']}")
