"""The look-up of a run by what a person typed."""

from __future__ import annotations

import re
import uuid

from django.core.management.base import CommandError

from automate_core.management.lookups import read_key
from automate_operations.queries.run_search import run_id_range


def read_run_key(text: str) -> uuid.UUID:
    """The id of a run, also by its last eight digits, by which messages name it. Raises CommandError."""
    if not re.fullmatch("[0-9a-fA-F]{8}", text):
        return read_key(text, "run")
    found = run_id_range(text.lower())
    if len(found) != 1:
        raise CommandError(f"{'Several runs end' if found else 'No run ends'} with {text}.", returncode=2)
    return found[0]
