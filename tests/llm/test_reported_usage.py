"""What a model server says that it took counts as far as it can be true: budgets are everybody's."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.urls import reverse

from automate_core.database import now
from automate_core.models import ExecutionRun, Notification, NotificationRule
from automate_governance.models import AuditEntry
from automate_llm import budgets
from automate_llm.models import LLMBudget, LLMUsage
from automate_operations.notifications import rules
from automate_operations.notifications.rule_values import RuleValues
from automate_operations.site_status import operation
from tests.llm.server import Fault
from tests.support.model_usage import model_call
from tests.support.pages import Page
from tests.support.walks import settle
from tests.support.workflows import CLASSIFIES

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = reverse("admin:automate_llm_llmusage_changelist")
MOST_OUT = 100  #: `max_tokens` of the step


@pytest.fixture
def ask(workflow, connection, models, deliver, drain):
    """Classify a text by a server that reports this usage; gives the row of the ledger."""
    connection()
    workflow(CLASSIFIES)

    def make(usage):
        raw = (
            '{"choices": [{"message": {"content": "{\\"label\\": \\"bug\\"}"}, "finish_reason": "stop"}], "usage": %s}'
        )
        models.say = lambda call: Fault(raw=(raw % usage).encode())
        deliver({"text": "It crashes"})
        settle(drain)
        assert ExecutionRun.objects.latest("id").status == "succeeded"
        return LLMUsage.objects.latest("pk")

    return make


def usage(tokens_in, tokens_out):
    return json.dumps({"prompt_tokens": tokens_in, "completion_tokens": tokens_out})


@pytest.mark.parametrize("zeros", [19, 30, 4_000])
def test_more_than_possible_counts_as_the_most_that_is_possible(ask, zeros, sign_in, admin):
    sent = "1" + "0" * zeros
    row = ask(f'{{"prompt_tokens": {sent}, "completion_tokens": {sent}}}')
    assert (row.status, row.is_capped, row.is_estimated) == ("answered", True, False)
    assert 5_000 < row.tokens_in < 10_000 and row.tokens_out == MOST_OUT
    [finding] = operation.find_capped_usage()
    assert "reported more tokens than possible for 1 call" in finding.message
    assert "The server reported more than possible" in Page(sign_in(admin).get(PAGE)).text


@pytest.mark.parametrize(
    ("tokens_in", "tokens_out"), [(0, 0), (True, True), (False, 0), (None, 3), ("9", "9"), (-1, 5), (1.5, 2), ([], {})]
)
def test_nothing_and_nonsense_count_as_our_own_count_or_a_part_of_it(ask, tokens_in, tokens_out):
    row = ask(usage(tokens_in, tokens_out))
    assert (row.status, row.is_capped, row.is_estimated) == ("answered", False, True)
    assert row.tokens_in > 10 and row.tokens_out >= 1


def test_a_usual_report_counts_as_it_is(ask):
    row = ask(usage(150, 7))
    assert (row.tokens_in, row.tokens_out, row.is_capped, row.is_estimated) == (150, 7, False, False)
    assert list(operation.find_capped_usage()) == []


def test_a_rule_notifies_of_a_server_that_reports_too_much(admin, notify):
    model_call("1", is_capped=True)
    rules.save_rule(
        None, RuleValues(kind="budget", channel="email", addresses=["ops@example.com"]), workflow=None, by=admin
    )
    for _ in range(2):
        NotificationRule.objects.update(look_at=now())
        notify()
    [sent] = Notification.objects.filter(kind="budget")
    assert sent.facts[0]["text"].startswith("openai reported more tokens than possible for 1 call.")


def test_an_administrator_voids_a_call(admin, owner, stranger, sign_in):
    row = model_call("9.50", read=900_000, is_capped=True)
    budget = LLMBudget.objects.create(workflow="", period="day", max_tokens=1_000_000)
    url = reverse("studio:model_call_void", args=[row.pk])
    for person in (owner, stranger):
        assert sign_in(person).post(url).status_code == 403
    client = sign_in(admin)
    html = client.get(PAGE)
    page = Page(html)
    assert "Void call" in page.text and any(each.get("action") == url for _, each in page.tags)
    assert html.content.decode().split(url)[1].index("csrfmiddlewaretoken") < 200
    assert client.get(url).status_code == 405
    answer = client.post(url, follow=True)
    assert "The call no longer counts towards budgets." in answer.content.decode()
    row.refresh_from_db()
    assert (row.status, row.tokens_in, row.tokens_out, row.cost) == ("voided", 0, 0, Decimal(0))
    assert budgets.get_spending(budget, budgets.today()).tokens == 0
    assert AuditEntry.objects.get(verb="model_call.voided").changes["tokens_in"] == 900_000
    client.post(url)
    assert AuditEntry.objects.filter(verb="model_call.voided").count() == 1
    assert "Void call" not in Page(client.get(PAGE)).text and list(operation.find_capped_usage()) == []
    assert client.post(reverse("studio:model_call_void", args=[0])).status_code == 404
