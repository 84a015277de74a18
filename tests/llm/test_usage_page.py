"""The page of what models cost: who sees it, what it adds up, its export, and the budgets."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from automate_governance.models import AuditEntry
from automate_llm.models import LLMBudget, LLMUsage
from tests.support.model_usage import model_call
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def url():
    return reverse("admin:automate_llm_llmusage_changelist")


@pytest.fixture
def operator(stranger):
    stranger.groups.set(Group.objects.filter(name="Operators"))
    return stranger


@pytest.fixture
def usage(db):
    model_call("1.25")
    model_call("2.50", days=1)
    model_call("0.000125", workflow="digest", model="tiny")
    model_call(None, workflow="digest", model="homemade")
    model_call("4", days=40)
    model_call("0.5", status="in_flight")


def _table(page, name):
    """The rows of the table `name` as lists of texts."""
    rows, cell, inside = [], None, False
    from html.parser import HTMLParser

    class Rows(HTMLParser):
        def handle_starttag(self, tag, attrs):
            nonlocal cell, inside
            if tag == "table":
                inside = dict(attrs).get("id") == name
            elif inside and tag == "tr":
                rows.append([])
            elif inside and tag in {"td", "th"}:
                cell = ""

        def handle_data(self, data):
            nonlocal cell
            if cell is not None:
                cell += data

        def handle_endtag(self, tag):
            nonlocal cell
            if tag in {"td", "th"} and cell is not None:
                rows[-1].append(cell.strip())
                cell = None

    Rows().feed(page)
    return rows[1:]


def test_it_adds_up_days_models_and_workflows(usage, operator, sign_in, url, django_assert_max_num_queries):
    client = sign_in(operator)
    with django_assert_max_num_queries(14):
        answer = client.get(url)
    html = answer.content.decode()
    today = f"{timezone.localdate():%-d %b %Y}"
    assert _table(html, "by-day")[0] == [today, "4", "4,000", "400", "≥ 1.75"]
    assert _table(html, "by-day")[-1] == ["Total", "5", "5,000", "500", "≥ 4.25"]
    assert _table(html, "by-model")[0] == ["openai", "small", "3", "3,000", "300", "4.25"]
    assert ["openai", "homemade", "1", "1,000", "100", "Unknown"] in _table(html, "by-model")
    assert ["openai", "tiny", "1", "1,000", "100", "0.0001"] in _table(html, "by-model")
    assert _table(html, "by-workflow")[1] == ["digest", "2", "2,000", "200", "≥ 0.0001"]
    page = Page(answer)
    [only] = [link["href"] for _, link in page.tags if "workflow=triage" in link.get("href", "")]
    assert _table(client.get(url + only).content.decode(), "by-day")[-1][1] == "3"
    assert "1 call without a known price" in page.text and "1 in progress or unconfirmed" in page.text


def test_it_looks_at_other_days_and_at_one_workflow(usage, operator, sign_in, url):
    client = sign_in(operator)
    first = timezone.localdate() - dt.timedelta(days=60)
    html = client.get(url, {"from": first, "to": timezone.localdate(), "workflow": "triage"}).content.decode()
    assert _table(html, "by-day")[-1] == ["Total", "4", "4,000", "400", "8.25"]
    assert "No model calls in this period" in client.get(url, {"workflow": "none"}).content.decode()


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"from": "soon"}, "Enter dates as YYYY-MM-DD."),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "The last day is before the first day."),
        ({"from": "0001-01-01"}, "Select up to 400 days."),
        ({"to": "0001-01-01"}, "The dates are out of range."),
    ],
)
def test_invalid_days_are_rejected_with_a_reason(query, reason, operator, sign_in, url):
    answer = sign_in(operator).get(url, query)
    assert answer.status_code == 200 and reason in answer.content.decode()
    export = sign_in(operator).post(reverse("studio:model_usage_export"), query)
    assert export.status_code == 400 and reason in export.content.decode()


def test_the_export_is_a_table_without_formulas_and_is_audited(usage, operator, sign_in):
    model_call("1", workflow="=HYPERLINK(1)", model="@SUM(A1)")
    answer = sign_in(operator).post(reverse("studio:model_usage_export"))
    assert answer["Content-Type"].startswith("text/csv") and answer["Content-Disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    found = {(row["workflow"], row["model"]): row for row in rows if row["day"] == str(timezone.localdate())}
    assert found["triage", "small"]["cost_usd"] == "1.75000000" and found["triage", "small"]["calls"] == "2"
    assert found["digest", "homemade"]["calls_without_price"] == "1"
    assert ("'=HYPERLINK(1)", "'@SUM(A1)") in found
    assert len(rows) == 5
    entry = AuditEntry.objects.get(verb="model_usage.exported")
    assert entry.actor == "stranger" and entry.changes["to"] == str(timezone.localdate())


def test_each_call_can_be_exported_with_its_run_and_step(usage, operator, sign_in, monkeypatch):
    model_call("1", workflow="=HYPERLINK(1)")
    client, url = sign_in(operator), reverse("studio:model_usage_export")
    rows = list(csv.DictReader(io.StringIO(client.post(url, {"each": "call"}).content.decode())))
    assert len(rows) == 6 and {row["path"] for row in rows} == {"a"}
    assert {row["run"] for row in rows} <= {str(run) for run in LLMUsage.objects.values_list("run", flat=True)}
    assert rows[-1]["workflow"] == "'=HYPERLINK(1)" and rows[0]["cost"] == "1.25000000"
    assert AuditEntry.objects.get(verb="model_usage.exported").changes["each"] == "call"
    monkeypatch.setattr("automate_llm.report.MOST_CALLS", 3)
    refused = client.post(url, {"each": "call"})
    assert refused.status_code == 400 and "Select fewer days." in refused.content.decode()


def test_builders_do_not_see_it_and_auditors_do(usage, owner, colleague, sign_in, url):
    assert sign_in(owner).get(url).status_code == 403
    assert sign_in(owner).post(reverse("studio:model_usage_export")).status_code == 403
    assert sign_in(None).get(url).status_code == 302
    colleague.groups.set(Group.objects.filter(name="Auditors"))
    page = Page(sign_in(colleague).get(url))
    assert page.status == 200 and "Model usage" in page.text and "Add a budget" not in page.text


def test_nothing_in_the_ledger_is_changed_by_hand(usage, admin, sign_in):
    row = LLMUsage.objects.first()
    client = sign_in(admin)
    assert client.get(reverse("admin:automate_llm_llmusage_add")).status_code == 403
    assert client.post(reverse("admin:automate_llm_llmusage_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert LLMUsage.objects.filter(pk=row.pk).exists()


@pytest.mark.extended
def test_administrators_set_budgets_which_the_page_shows(usage, workflow, admin, owner, operator, sign_in, url):
    workflow("name: Triage\nslug: triage\ntriggers: []\nsteps:\n  - {key: a, action: data.set, inputs: {x: 1}}")
    add = reverse("admin:automate_llm_llmbudget_add")
    for person in (owner, operator):
        assert sign_in(person).get(add).status_code == 403
    client = sign_in(admin)
    assert "Whole site" in client.get(add).content.decode()
    nothing = client.post(add, {"workflow": "triage", "period": "day", "max_cost": "", "max_tokens": ""})
    assert "Set a cost limit" in nothing.content.decode()
    assert "valid choice" in client.post(add, {"workflow": "nope", "period": "day", "max_cost": 1}).content.decode()
    client.post(add, {"workflow": "triage", "period": "day", "max_cost": "3.50", "max_tokens": "10000"})
    budget = LLMBudget.objects.get()
    assert (budget.workflow, budget.period, budget.max_cost) == ("triage", "day", Decimal("3.50"))
    assert AuditEntry.objects.get(verb="model_budget.created").changes["max_cost"] == "3.50"
    html = sign_in(operator).get(url).content.decode()
    assert _table(html, "budgets") == [["triage", "Per day", "1.75 of 3.50", "2,200 of 10,000", "50%"]]
    change = reverse("admin:automate_llm_llmbudget_change", args=[budget.pk])
    client.post(change, {"workflow": "", "period": "month", "max_cost": "1", "max_tokens": ""})
    budget.refresh_from_db()
    assert (budget.workflow, budget.max_tokens) == ("", None)
    client.post(reverse("admin:automate_llm_llmbudget_delete", args=[budget.pk]), {"post": "yes"})
    assert not LLMBudget.objects.exists()
    assert AuditEntry.objects.filter(verb="model_budget.deleted").exists()
