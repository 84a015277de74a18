"""Pools that are declared, served and shown."""

from __future__ import annotations

import datetime as dt

import pytest
from django.urls import reverse

from automate_core.checks.pools import check_pools
from automate_core.database import now
from automate_core.definition.document import DefinitionError
from automate_core.engine.effects.pool_backlog import read_pools, unserved_pools
from automate_core.models import HandedOutStep, Notification, NotificationRule
from automate_operations.notifications import rules
from automate_operations.notifications.rule_values import RuleValues
from automate_pools.consumers import ConsumerReports
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

CALL = "  - {key: first, action: http.request, runs_on: gpu, inputs: {method: POST, url: 'https://example.com/'}}"
BROKER = "redis://127.0.0.1:1/0"


@pytest.fixture
def celery_pool(settings):
    settings.AUTOMATE_POOLS = {"gpu": {"executor": "celery", "broker": BROKER}}


def test_pool_without_consumers_is_a_problem_at_publish(publish, celery_pool):
    with pytest.raises(DefinitionError, match="The pool gpu has no live consumer"):
        publish(CALL)
    reports = ConsumerReports("gpu-1", ["gpu"], slots=4)
    reports.report()
    assert publish(CALL, slug="served").published


def test_unknown_pool_is_a_problem_at_publish(publish):
    with pytest.raises(DefinitionError, match="No pool is called gpu"):
        publish(CALL)
    with pytest.raises(DefinitionError, match="No pool is called far"):
        publish(CALL.replace(" runs_on: gpu,", ""), head="runs_on: far", slug="other")


def test_page_shows_backlog_consumers_and_versions(publish, run, pools, sign_in, admin, settings, sink):
    publish(CALL.replace("https://example.com/", sink.url))
    run({"number": 1})
    settings.AUTOMATE_CODE_VERSION = "old"
    ConsumerReports("gpu-1", ["gpu"], slots=4).report()
    settings.AUTOMATE_CODE_VERSION = "new"
    found = {state.name: state for state in read_pools()}
    assert (found["gpu"].waiting, found["gpu"].versions, found["gpu"].is_mixed) == (1, ("old",), True)
    page = Page(sign_in(admin).get(reverse("studio:pool_list")))
    assert "gpu" in page.text and "This site runs new." in page.text


def test_pool_that_steps_wait_for_without_a_consumer_raises_the_alarm(
    publish, run, pools, settings, sign_in, admin, sink
):
    publish(CALL.replace("https://example.com/", sink.url))
    run({"number": 1})
    assert unserved_pools() == []
    settings.AUTOMATE_POOLS = {"gpu": {"executor": "celery", "broker": BROKER}}
    assert unserved_pools() == ["gpu"]
    settings.AUTOMATE_POOLS = {}
    assert unserved_pools() == ["gpu"]


def test_rule_notifies_of_a_pool_without_consumers_once(publish, run, pools, settings, sink, owner, admin, notify):
    flow = publish(CALL.replace("https://example.com/", sink.url))
    other = publish("  - {key: set, action: data.set, inputs: {a: 1}}", slug="other", triggers="[{kind: manual}]")
    run({"number": 1})
    values = RuleValues(kind="pool", channel="email", addresses=["ops@example.com"])
    for workflow in (None, flow, other):
        rules.save_rule(None, values, workflow=workflow, by=admin)

    def look():
        NotificationRule.objects.update(look_at=now())
        notify()
        return Notification.objects.filter(kind="pool")

    HandedOutStep.objects.update(created_at=now() - dt.timedelta(hours=1))
    assert not look(), "its executor does not report consumers"
    settings.AUTOMATE_POOLS = {"gpu": {"executor": "celery", "broker": BROKER}}
    HandedOutStep.objects.update(created_at=now())
    assert not look(), "steps wait for less than a minute"
    HandedOutStep.objects.update(created_at=now() - dt.timedelta(hours=1))
    assert {each.rule.workflow for each in look()} == {None, flow}
    assert look().count() == 2, "once"
    [fact] = look().first().facts
    assert fact["text"] == "The pool gpu has no consumers, and 1 step waits for it."
    assert fact["url"].endswith(reverse("studio:pool_list"))


@pytest.mark.extended
def test_pool_without_consumers_needs_attention(publish, run, pools, settings, sink, sign_in, admin, owner):
    publish(CALL.replace("https://example.com/", sink.url))
    run({"number": 1})
    overview = reverse("admin:index")
    assert "Pool gpu" not in Page(sign_in(admin).get(overview)).text
    settings.AUTOMATE_POOLS = {"gpu": {"executor": "celery", "broker": BROKER}}
    assert "Pool gpu" in Page(sign_in(admin).get(overview)).text
    assert "Pool gpu" not in Page(sign_in(owner).get(overview)).text, "for people who operate the site"


@pytest.mark.parametrize(
    ("pool", "reason"),
    [
        ({"executor": "none"}, "not installed"),
        ({"executor": "celery"}, "either app"),
        ({"executor": "celery", "broker": BROKER, "speed": 1}, "not speed"),
        ({"executor": "threads", "queue": "x"}, "no options"),
        ({"executor": "tasks", "resend_seconds": 0}, "above 0"),
    ],
)
def test_wrong_pool_is_a_system_check(settings, pool, reason):
    settings.AUTOMATE_POOLS = {"gpu": pool}
    [error] = check_pools(None)
    assert (error.id, reason in error.msg) == ("automate_core.E090", True)
