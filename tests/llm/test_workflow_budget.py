"""The model budget in a workflow's settings: who sees it, who sets it, and what it limits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_connectors.adapters.base import ConnectorError
from automate_governance.models import AuditEntry
from automate_llm import budgets
from automate_llm.models import LLMBudget
from tests.support.model_usage import model_call
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

TRIAGE = """
name: Triage
slug: triage
triggers: [{endpoint: github}]
steps: [{key: keep, action: data.set}]
"""
LIMITS = {"day_cost": "2.50", "day_tokens": "", "month_cost": "", "month_tokens": "50000"}


@pytest.fixture
def triage(workflow):
    return workflow(TRIAGE)


@pytest.fixture
def url(triage):
    return reverse("studio:builder_budget", args=[triage.pk])


def test_the_settings_panel_leads_to_the_budget(triage, url, sign_in, owner):
    page = Page(sign_in(owner).get(reverse("studio:builder_step", args=[triage.pk, "~workflow"])))
    assert page.all(hx_get=url, hx_trigger="load")


def test_an_administrator_sets_changes_and_lifts_the_budget(triage, url, sign_in, admin):
    model_call("1.25")
    client, today = sign_in(admin), budgets.today()
    page = Page(client.post(url, LIMITS))
    text = " ".join(page.text.split())
    assert "Per day 1.25 of 2.50 USD" in text and "Per month 1,100 of 50,000 tokens" in text and "Budget saved" in text
    assert page.ids["id_day_cost"]["value"] == "2.50" and page.ids["id_month_tokens"]["value"] == "50000"
    with transaction.atomic(), pytest.raises(ConnectorError, match="budget of the workflow triage"):
        budgets.check_budgets("triage", today, cost=Decimal("1.26"), tokens=1, what="small")
    client.post(url, LIMITS)
    client.post(url, LIMITS | {"day_cost": "3"})
    client.post(url, dict.fromkeys(LIMITS, ""))
    assert not LLMBudget.objects.exists()
    verbs = list(
        AuditEntry.objects.filter(verb__startswith="model_budget").order_by("pk").values_list("verb", flat=True)
    )
    assert verbs == [f"model_budget.{verb}" for verb in ("created", "created", "changed", "deleted", "deleted")]


def test_what_is_no_limit_is_refused_by_field(url, sign_in, admin):
    answer = sign_in(admin).post(url, LIMITS | {"day_cost": "-1", "month_tokens": "much"})
    page = Page(answer)
    assert answer.status_code == 422 and not LLMBudget.objects.exists()
    assert page.ids["id_day_cost"]["value"] == "-1" and page.ids["id_month_tokens"]["aria-invalid"] == "true"


def test_builders_see_it_and_strangers_do_not(triage, url, sign_in, owner, colleague, stranger):
    LLMBudget.objects.create(workflow="triage", period="month", max_cost=Decimal(10))
    LLMBudget.objects.create(workflow="", period="month", max_cost=Decimal(500))
    page = Page(sign_in(owner).get(url))
    assert "0.00 of 10.00 USD" in page.text and "Only administrators can change budgets." in page.text
    assert not page.all(id="id_day_cost") and "500" not in page.text
    assert sign_in(owner).post(url, LIMITS).status_code == 403
    assert sign_in(stranger).get(url).status_code == 404 == sign_in(stranger).post(url, LIMITS).status_code
    assign_perm("view_workflow", colleague, triage)
    assert sign_in(colleague).get(url).status_code == 403
    owner.groups.add(Group.objects.get(name="Operators"))
    assert "0.00 of 500.00 USD" in " ".join(Page(sign_in(owner).get(url)).text.split())
    assert LLMBudget.objects.count() == 2
