"""The page on retention: what it estimates, trying a policy, and saving it."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from automate_core.ids import first_uuid7
from automate_core.models import ExecutionRun, SitePolicy
from automate_governance.models import AuditEntry
from tests.support.pages import tidy

pytestmark = pytest.mark.django_db(transaction=True)


def _cells(page, table):
    """The texts of a table's cells, row by row."""
    body = tidy(page).partition(f'id="{table}"')[2].partition("</table>")[0]
    return [
        [re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", cell)).strip() for cell in re.findall(r"<td.*?</td>", row, re.S)]
        for row in re.findall(r"<tr>(<td.*?)</tr>", body, re.S)
    ]


def test_sizes_a_policy_that_is_tried_and_saved(
    workflow, deliver, drain, sign_in, admin, owner, django_assert_max_num_queries, capsys
):
    flow = workflow(
        "name: Flow\nslug: flow\nretention: {failed: 0, tests: 1}\ntriggers: [{endpoint: github}]\n"
        "steps: [{key: one, action: data.set, inputs: {text: '{{ event.payload.text }}'}}]"
    )
    deliver({"text": "x" * 2_000})
    drain()
    made = flow.runs.get()
    for number in range(100):  # ten a day, the oldest of ten days ago
        at = timezone.now() - dt.timedelta(days=number // 10, minutes=number + 1)
        made.pk, made._state.adding, made.event_id = first_uuid7(at), True, None
        made.created_at = made.started_at = made.finished_at = at
        made.save()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    address, browser = reverse("studio:retention"), sign_in(admin)
    browser.get(address)
    with django_assert_max_num_queries(14) as asked:
        page = browser.get(address).content.decode()
    assert all("TABLESAMPLE" in each["sql"] for each in asked if "count(*)" in each["sql"].lower()), (
        "none is read whole"
    )
    policy = {row[0]: row[2:] for row in _cells(page, "policy")}
    assert policy["Succeeded runs"] == ["101", "0", "0"]
    [row] = _cells(page, "by-workflow")
    assert row[:3] == ["Flow", "Failed: forever, Test runs: 1 day", "101"] and row[-1] == "0"
    assert ["Runs", "101"] in [row[:2] for row in _cells(page, "by-table")]

    tried = {"succeeded": "5", "failed": "0", "cancelled": "", "tests": "", "unmatched": "30"}
    page = browser.get(address, tried).content.decode()
    assert {row[0]: row[2:] for row in _cells(page, "policy")}["Succeeded runs"] == ["101", "50", "101"]
    assert "Nothing is saved yet" in page and not SitePolicy.objects.exists()
    bad = browser.post(address, tried | {"failed": "-3", "tests": "99999"})
    assert (
        bad.status_code == 422
        and bad.content.decode().count("Enter a whole number") == 2
        and 'value="-3"' in bad.content.decode()
    )
    assert sign_in(owner).post(address, tried).status_code == 403 and not SitePolicy.objects.exists()
    assert browser.post(address, tried).status_code == 303
    assert SitePolicy.objects.values_list("succeeded", "failed", "cancelled", "unmatched").get() == (5, 0, None, 30)
    assert AuditEntry.objects.get(verb="retention.changed").changes == {"succeeded": [30, 5], "failed": [90, 0]}

    call_command("automate_prune")
    assert ExecutionRun.objects.count() == 51
    said = _cells(browser.get(address).content.decode(), "prunings")
    assert said[0][1:] == ["Command", "50 runs"], capsys.readouterr()
