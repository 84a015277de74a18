"""The site's own database goes away while a step prepares its call."""

from __future__ import annotations

import pytest
from django.db import connections

from automate_core.engine import assignees
from automate_core.models import StepRun

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_cut_session_before_the_call_costs_no_attempt(publish, run, colleague, monkeypatch):
    """The thread's own session is ended by the server in the middle, as in a restart."""
    cuts, find = iter([True, True]), assignees.find_assignees

    def cut(*args):
        with connections["default"].cursor() as cursor:
            if next(cuts, False):
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return find(*args)

    monkeypatch.setattr(assignees, "find_assignees", cut)
    publish("  - {kind: approval, key: ok, assignees: [colleague], timeout: 1d}")
    waiting = run()
    assert (waiting.status, waiting.error) == ("waiting", None)
    assert StepRun.objects.get(path="ok").attempt == 1
