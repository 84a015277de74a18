"""The audit trail and published versions, past their guards."""

from __future__ import annotations

import contextlib

import pgtrigger
from django.db import connection


@contextlib.contextmanager
def without_append_only():
    """What somebody with the database's own rights can do."""
    models = "automate_governance.AuditEntry", "automate_governance.AuditLink", "automate_core.WorkflowVersion"
    with pgtrigger.ignore(*(f"{model}:append_only" for model in models)), connection.cursor() as cursor:
        yield cursor
