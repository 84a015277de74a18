"""A budget that refuses calls says so: on its page, in the site status, and by a notification."""

from __future__ import annotations

import datetime as dt

import pytest
from django.urls import reverse

from automate_connectors.adapters.base import ConnectorError
from automate_core.database import now
from automate_core.models import Notification, NotificationRule
from automate_llm import budgets
from automate_llm.ledger import Ledger
from automate_llm.models import LLMBudget, LLMUsage
from automate_operations.notifications import rules
from automate_operations.notifications.rule_values import RuleValues
from automate_operations.site_status import operation
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

LIST = reverse("admin:automate_llm_llmbudget_changelist")


def call(workflow=""):
    with pytest.raises(ConnectorError) as raised:
        Ledger({"run": {"workflow": workflow}}).reserve(
            provider="p", model="m", price=None, tokens_in=2_000, tokens_out=156
        )
    return raised.value


@pytest.fixture
def budget(db):
    made = LLMBudget.objects.create(workflow="", period="day", max_tokens=2_000)
    for _ in range(4):
        assert call().code == "budget_exceeded"
    assert not LLMUsage.objects.exists()
    return made


def test_the_page_counts_refused_calls_and_says_why(budget, admin, sign_in):
    client = sign_in(admin)
    page = Page(client.get(LIST)).text
    assert "Calls refused" in page and "4 calls were refused in this period." in page
    assert "this call may need 2156 tokens" in page
    assert (
        "4 calls were refused"
        in Page(client.get(reverse("admin:automate_llm_llmbudget_change", args=[budget.pk]))).text
    )
    assert [finding.severity.value for finding in operation.find_refusing_budgets()] == ["error"]
    LLMBudget.objects.update(refused_from=budgets.today() - dt.timedelta(days=1))
    assert "4 calls were refused" not in Page(client.get(LIST)).text, "they were in an earlier period"
    assert list(operation.find_refusing_budgets()) == []
    call()
    budget.refresh_from_db()
    assert (budget.refused, budget.refused_from) == (1, budgets.today())


def test_a_rule_notifies_of_it_once_a_period(budget, admin, notify):
    rules.save_rule(
        None, RuleValues(kind="budget", channel="email", addresses=["ops@example.com"]), workflow=None, by=admin
    )
    for _ in range(2):
        NotificationRule.objects.update(look_at=now())
        notify()
    [sent] = Notification.objects.filter(kind="budget")
    assert sent.facts[0]["text"].startswith("A budget refuses model calls. Daily site budget reached: 0 of 2000 tokens")
