"""Connections: list and test them. Their secrets stay on the server."""

from __future__ import annotations

import click

from automate_cli.commands.completion import complete_connections
from automate_cli.invocation import ApiGroup, invocation
from automate_cli.output import named, time_column
from automate_cli.servers import path_of


@click.group(cls=ApiGroup)
def connections() -> None:
    """List and test connections."""


@connections.command("list")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Maximum number of connections.")
def list_connections(limit: int) -> None:
    """List the connections that you may view."""
    call = invocation()
    found = call.client().items("/connections", limit=limit)
    columns = [
        named("slug", cut=False),
        named("name"),
        named("connector"),
        named("health", coloured=True, cut=False),
        time_column("tested_at", "Tested"),
    ]
    call.print_list(found, columns, empty="No connections.")


@connections.command
@click.argument("slug", shell_complete=complete_connections)
@click.pass_context
def test(context: click.Context, slug: str) -> None:
    """Make one real call that changes nothing. The exit code is 1 if it fails."""
    call = invocation()
    result = call.client().post(path_of("connections", slug, "test"))
    call.report(result, f"{slug}: {'works' if result['works'] else 'failed'}. {result['message']}")
    context.exit(0 if result["works"] else 1)
