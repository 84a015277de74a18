"""The ledger and the budgets, from a delivery to the rows."""

from __future__ import annotations

import datetime as dt
import io
import threading
import uuid
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import IntegrityError
from django.db import connection as database_connection
from django.utils import timezone

from automate_connectors.adapters.base import ConnectorError
from automate_core.models import ExecutionRun, StepRun
from automate_llm import budgets, prices
from automate_llm.ledger import Ledger
from automate_llm.models import LLMBudget, LLMUsage
from automate_llm.prices import Price
from automate_llm.providers.base import TokenUsage
from automate_llm.reported_usage import SettledUsage
from tests.llm.server import Fault
from tests.support.matrix import representatives
from tests.support.walks import Slow, settle
from tests.support.workflows import CLASSIFIES

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def triage(workflow, connection, models):
    """A workflow that classifies what comes in; the model finds bugs everywhere."""
    models.say = lambda call: '{"label": "bug"}'
    connection()
    return workflow(CLASSIFIES)


@pytest.fixture
def priced(settings, models):
    """A dollar for a thousand tokens, in and out alike."""
    settings.AUTOMATE_LLM_PRICES = {f"{models.host}/small": {"in": 1000, "out": 1000}}


def _run(deliver, drain, text="It crashes"):
    deliver({"text": text})
    settle(drain)
    return ExecutionRun.objects.latest("id")


# --- the ledger -------------------------------------------------------------------------------------------------------


def test_a_step_leaves_its_usage(triage, priced, deliver, drain, models):
    run = _run(deliver, drain)
    step = StepRun.objects.get(run=run, path="kind")
    assert step.output["label"] == "bug", step.error
    [row] = LLMUsage.objects.all()
    assert (row.run, row.workflow, row.path, row.attempt, row.call) == (run.pk, "triage", "kind", 1, 1)
    assert (row.provider, row.model, row.status) == (models.host, "small", "answered")
    assert row.day == timezone.localdate()
    usage = step.output["usage"]
    assert (row.tokens_in, row.tokens_out) == (usage["tokens_in"], usage["tokens_out"])
    assert row.cost == Decimal(row.tokens_in + row.tokens_out) / 1000 == Decimal(str(usage["cost"]))


def test_an_unknown_price_is_not_zero(triage, deliver, drain):
    run = _run(deliver, drain)
    assert LLMUsage.objects.get().cost is None
    assert StepRun.objects.get(run=run).output["usage"]["cost"] is None


def test_the_engine_repeats_and_each_attempt_has_its_row(triage, priced, deliver, drain, models, monkeypatch):
    said = iter([Fault(429, {"error": {"message": "slow down"}}, {"retry-after": "1"}), '{"label": "bug"}'])
    models.say = lambda call: next(said)
    deliver({"text": "x"})
    drain()
    run = ExecutionRun.objects.get()
    assert run.status == "waiting"
    from automate_core.models import Wait

    wait = Wait.objects.get(run=run, kind="retry")
    assert (wait.due_at - timezone.now()).total_seconds() > 0
    Wait.objects.update(due_at=timezone.now())
    settle(drain)
    run.refresh_from_db()
    assert run.status == "succeeded"
    rows = LLMUsage.objects.order_by("attempt").values_list("attempt", "status", "cost")
    assert [row[:2] for row in rows] == [(1, "refused"), (2, "answered")]
    assert rows[0][2] == 0 and rows[1][2] > 0


def test_the_same_attempt_is_counted_once(db):
    context = {"run": {"id": str(uuid.uuid4()), "workflow": "w"}, "step": {"path": "a", "attempt": 1}}
    price = Price(Decimal(1), Decimal(1))
    for _ in range(2):
        ledger = Ledger(context)
        entry = ledger.reserve(provider="p", model="m", price=price, tokens_in=10, tokens_out=10)
        usage = TokenUsage(tokens_in=7, tokens_out=3)
        ledger.record_answer(entry, SettledUsage(usage=usage, is_estimated=False, is_capped=False))
    row = LLMUsage.objects.get()
    assert (row.tokens_in, row.tokens_out, row.status) == (7, 3, "answered")
    row.pk = None
    with pytest.raises(IntegrityError):
        row.save(force_insert=True)


def test_a_crash_forgets_no_call(triage, priced, deliver, models):
    """The worker dies with the answer in its hands: both attempts are in the ledger, for both were paid."""
    deliver({"text": "x"})
    worker = Slow()
    worker.begin()
    from automate_core.engine.effects.performer import perform

    perform(worker.calls[0])  # its outcome is lost
    worker.crash()
    worker.perform()  # what the run must not say is told again first
    worker.perform()
    assert ExecutionRun.objects.get().status == "succeeded"
    rows = LLMUsage.objects.order_by("attempt").values_list("attempt", "status")
    assert list(rows) == [(1, "answered"), (2, "answered")]


def test_what_is_in_flight_counts_with_the_most_it_may_take(db):
    ledger = Ledger({"run": {"id": str(uuid.uuid4()), "workflow": "w"}, "step": {"path": "a", "attempt": 1}})
    ledger.reserve(provider="p", model="m", price=Price(Decimal(1000), Decimal(2000)), tokens_in=10, tokens_out=10)
    row = LLMUsage.objects.get()
    assert (row.status, row.cost, row.is_estimated) == ("in_flight", Decimal("0.03"), True)


def test_a_provider_without_usage_is_counted_by_its_tokens(triage, deliver, drain, monkeypatch):
    from automate_llm.providers.openai import OpenAICompatibleProvider

    monkeypatch.setattr(OpenAICompatibleProvider, "capabilities", frozenset())
    _run(deliver, drain)
    row = LLMUsage.objects.get()
    assert row.is_estimated and row.tokens_in > 50 and row.tokens_out == 4


# --- budgets ----------------------------------------------------------------------------------------------------------


def _spend(cost, *, workflow="triage", day=None, tokens=0):
    LLMUsage.objects.create(
        run=uuid.uuid4(), workflow=workflow, path="a", at=timezone.now(), day=day or timezone.localdate(),
        provider="p", model="m", status="answered", tokens_in=tokens, tokens_out=0, cost=cost,
    )  # fmt: skip


# (budget, what was spent before, whether a call that may cost under 0.4 USD and 400 tokens goes through)
BUDGETS = {
    "none": ({}, {}, True),
    "of the workflow, with room": ({"workflow": "triage", "max_cost": 5}, {"cost": 4}, True),
    "of the workflow, used up": ({"workflow": "triage", "max_cost": 5}, {"cost": Decimal("4.95")}, False),
    "of another workflow": ({"workflow": "other", "max_cost": 0}, {"cost": 9}, True),
    "of the workflow, spent by another": (
        {"workflow": "triage", "max_cost": 5},
        {"cost": 9, "workflow": "other"},
        True,
    ),
    "of the site, spent by another": ({"max_cost": 5}, {"cost": 9, "workflow": "other"}, False),
    "of tokens": ({"max_tokens": 1_000}, {"cost": 0, "tokens": 900}, False),
    "of tokens, with room": ({"max_tokens": 10_000}, {"cost": 0, "tokens": 900}, True),
    "of the day, spent the day before": ({"max_cost": 5, "period": "day"}, {"cost": 9, "days": 1}, True),
    "of the day, spent today": ({"max_cost": 5, "period": "day"}, {"cost": 9}, False),
    "of the month, spent in the one before": ({"max_cost": 5}, {"cost": 9, "days": 32}, True),
    "of nothing": ({"max_cost": 0}, {}, False),
}


@pytest.mark.parametrize("name", representatives(BUDGETS, every=6))
def test_a_budget_ends_a_step(name, triage, priced, deliver, drain, models):
    budget, spent, passes = BUDGETS[name]
    if budget:
        LLMBudget.objects.create(**{"period": "month", **budget})
    if spent:
        day = budgets.today() - dt.timedelta(days=spent.pop("days", 0))
        _spend(spent.pop("cost"), day=day, **spent)
    run = _run(deliver, drain)
    assert bool(models.calls) is passes
    assert run.status == ("succeeded" if passes else "failed")
    if not passes:
        assert run.error["code"] == "budget_exceeded" and "budget" in run.error["message"]
        assert "Resets on" in run.error["message"]
        assert not LLMUsage.objects.filter(run=run.pk).exists()


def test_a_limit_of_cost_refuses_what_has_no_price(triage, deliver, drain, models):
    LLMBudget.objects.create(max_cost=5)
    run = _run(deliver, drain)
    assert run.error["code"] == "price_unknown" and "AUTOMATE_LLM_PRICES" in run.error["message"]
    assert not models.calls


def test_periods():
    month, day = LLMBudget(period="month"), LLMBudget(period="day")
    last = dt.date(2026, 12, 31)
    assert (budgets.period_start(month, last), budgets.period_end(month, last)) == (
        dt.date(2026, 12, 1),
        dt.date(2027, 1, 1),
    )
    assert (budgets.period_start(day, last), budgets.period_end(day, last)) == (last, dt.date(2027, 1, 1))
    assert budgets.period_end(month, dt.date(2028, 2, 1)) == dt.date(2028, 3, 1)


def test_side_by_side_no_more_is_let_through_than_fits(db):
    """Twelve threads at once, each with a call of at most a dollar: exactly five fit a budget of five dollars."""
    LLMBudget.objects.create(workflow="", period="day", max_cost=5)
    LLMBudget.objects.create(workflow="w", period="month", max_cost=7)
    barrier, results = threading.Barrier(12), []

    def ask(number):
        ledger = Ledger({"run": {"id": str(uuid.uuid4()), "workflow": "w"}, "step": {"path": "a", "attempt": 1}})
        barrier.wait()
        try:
            price = Price(Decimal(1000), Decimal(1000))
            ledger.reserve(provider="p", model="m", price=price, tokens_in=500, tokens_out=500)
            results.append("through")
        except ConnectorError as error:
            results.append(error.code)
        finally:
            database_connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == ["budget_exceeded"] * 7 + ["through"] * 5
    assert sum(row.cost for row in LLMUsage.objects.all()) == 5


def test_a_budget_limits_something_and_is_one_of_its_kind(db):
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError, match="Set a cost limit"):
        LLMBudget(workflow="w").full_clean()
    with pytest.raises(ValidationError):
        LLMBudget(workflow="w", max_cost=-1).full_clean()
    LLMBudget.objects.create(workflow="w", max_tokens=1)
    with pytest.raises(ValidationError):
        LLMBudget(workflow="w", max_tokens=2).full_clean()


# --- prices -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seller", "model", "own", "found"),
    [
        ("openai", "gpt-4o-mini", {}, (Decimal("0.15"), Decimal("0.60"))),
        ("openai", "gpt-4o-mini-2024-07-18", {}, (Decimal("0.15"), Decimal("0.60"))),
        ("anthropic", "claude-sonnet-4-5-20250929", {}, (Decimal(3), Decimal(15))),
        ("openai", "gpt-4o-mini", {"openai/gpt-4o-mini": {"in": 1, "out": 2}}, (Decimal(1), Decimal(2))),
        ("openai", "gpt-99", {"openai/*": {"in": 1, "out": 2}}, (Decimal(1), Decimal(2))),
        ("localhost:11434", "gpt-4o-mini", {}, None),
        ("localhost:11434", "any", {"localhost:11434/*": {"in": 0, "out": 0}}, (Decimal(0), Decimal(0))),
        ("openai", "gpt-99", {}, None),
        ("openai", "gpt-4o-mini-turbo", {}, None),
    ],
)
def test_prices_are_looked_up_exactly(seller, model, own, found, settings):
    settings.AUTOMATE_LLM_PRICES = own
    price = prices.find_price(seller, model)
    assert (price and (price.tokens_in, price.tokens_out)) == found


@pytest.mark.parametrize(
    ("base_url", "seller"),
    [
        ("", "openai"),
        ("https://api.openai.com/v1", "openai"),
        ("https://openrouter.ai/api/v1", "openrouter.ai"),
        ("http://LOCALHOST:8080/v1", "localhost:8080"),
    ],
)
def test_whose_prices_count(base_url, seller):
    assert prices.seller_of("openai", "https://api.openai.com/v1", base_url) == seller


@pytest.mark.matrix
@pytest.mark.parametrize(
    "wrong",
    [
        ["x"],
        {"gpt": {"in": 1, "out": 1}},
        {"a/b": 1},
        {"a/b": {"in": 1}},
        {"a/b": {"in": "dear", "out": 1}},
        {"a/b": {"in": -1, "out": 1}},
        {"a/b": {"in": "NaN", "out": 1}},
        {"a/b": {"in": 1, "out": 1, "long": {"in": 2, "out": 2}}},
        {"a/b": {"in": 1, "out": 1, "long": {"over": "many", "in": 2, "out": 2}}},
    ],
)
def test_prices_that_are_none_are_found_at_start(wrong, settings):
    from django.core.management.base import SystemCheckError

    settings.AUTOMATE_LLM_PRICES = wrong
    with pytest.raises(SystemCheckError, match=r"automate_llm\.E001"):
        call_command("check")


def test_a_call_with_a_long_prompt_has_a_price_of_its_own(settings):
    settings.AUTOMATE_LLM_PRICES = {"a/b": {"in": 1, "out": 10, "long": {"over": 1_000, "in": 2, "out": 15}}}
    price = prices.find_price("a", "b")
    assert price.cost_of(1_000, 100) == Decimal("0.002") and price.cost_of(1_001, 100) == Decimal("0.003502")


def test_the_shipped_table_has_a_date_and_sane_prices():
    assert dt.date.fromisoformat(prices.prices_date()) <= dt.date.today()
    for price in prices.shipped_prices().values():
        assert 0 < price.tokens_in < price.tokens_out
        if price.long:
            assert price.long_over >= 100_000
            assert price.tokens_in < price.long.tokens_in and price.tokens_out < price.long.tokens_out


@pytest.mark.parametrize("model", ["anthropic/claude-opus-5-5", "openai/gpt-6.2-sol"])
def test_models_of_today_have_a_price(model):
    assert prices.find_price(*model.split("/"))


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), ("{", "is not JSON"), ("[1]", "does not contain a JSON object")],
)
def test_a_file_of_prices_that_is_none_is_refused_in_a_line(content, words, tmp_path, monkeypatch):
    from django.core.exceptions import ImproperlyConfigured

    from automate_site import environment

    path = tmp_path / "prices.json"
    monkeypatch.setenv("AUTOMATE_LLM_PRICES", str(path))
    if content is not None:
        path.write_text(content)
    with pytest.raises(ImproperlyConfigured, match=words):
        environment.json_file("AUTOMATE_LLM_PRICES")
    path.write_text('{"openai/x": {"in": 1, "out": 2}}')
    assert environment.json_file("AUTOMATE_LLM_PRICES") == {"openai/x": {"in": 1, "out": 2}}


def test_old_calls_are_let_go_and_this_months_never(settings):
    today = timezone.now().date()
    old = {"at": timezone.now(), "provider": "openai", "model": "m", "tokens_in": 1, "tokens_out": 1}
    for days in (10, 61, 70, 900):
        LLMUsage.objects.create(**old, day=today - dt.timedelta(days=days), path=f"{days}")

    def left():
        call_command("automate_prune", stdout=io.StringIO())
        return sorted(LLMUsage.objects.values_list("path", flat=True))

    settings.AUTOMATE_LLM_USAGE_DAYS = 0
    assert left() == ["10", "61", "70", "900"]
    settings.AUTOMATE_LLM_USAGE_DAYS = 800
    assert left() == ["10", "61", "70"]
    settings.AUTOMATE_LLM_USAGE_DAYS = 5
    assert left() == ["10", "61"], "budgets add up a month"
