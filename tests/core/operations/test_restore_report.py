"""The report of a restored site: what it calls in doubt."""

from __future__ import annotations

import pytest

from automate_core.models import StepRun
from automate_operations.backup.report import _in_doubt

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_branch_around_a_waiting_approval_is_not_in_doubt(publish, run, colleague):
    publish("""
  - kind: branch
    key: big
    arms: [{key: yes_please, when: true, steps: [{kind: approval, key: ok, assignees: [colleague], timeout: 1d}]}]
  - {key: ship, action: http.request, inputs: {method: POST, url: 'https://shop.example/'}}
""")
    waiting = run()
    assert waiting.status == "waiting" and StepRun.objects.filter(path="big", status="running").exists()
    assert list(_in_doubt()) == ["Attempts in doubt, in progress at the time of the backup: none."]
    StepRun.objects.create(
        run=waiting, path="ship", status="running", idempotency_key="k", started_at=waiting.created_at
    )
    assert next(iter(_in_doubt())).endswith(": 1.")
