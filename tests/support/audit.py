"""The audit trail, past its guards."""

from __future__ import annotations

import contextlib

import pgtrigger
from django.db import connection


@contextlib.contextmanager
def without_append_only():
    """What somebody with the database's own rights can do."""
    names = "automate_governance.AuditEntry:append_only", "automate_governance.AuditLink:append_only"
    with pgtrigger.ignore(*names), connection.cursor() as cursor:
        yield cursor
