"""IDs of runs as people type them."""

from __future__ import annotations

import re

import click

from automate_cli.client import Client

_LAST_DIGITS = re.compile(r"[0-9a-fA-F]{8}")


def read_run_id(client: Client, given: str) -> str:
    """The ID of a run; messages and screens name a run by its last eight digits, so those will do."""
    if not _LAST_DIGITS.fullmatch(given):
        return given
    found = client.items("/runs", limit=2, run=given)
    if len(found) > 1:
        raise click.UsageError(f"Several runs end with {given}. Use the complete ID.")
    return str(found[0]["id"]) if found else given
