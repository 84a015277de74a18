"""The site's own database goes away while a step does what precedes its effect, or what is rolled back with it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connections

from automate_connectors import credentials
from automate_connectors.models import Connection
from automate_core.engine import assignees
from automate_core.engine.effects import transactional
from automate_core.models import StepRun

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = {
    "approval": "{kind: approval, key: step, assignees: [colleague], timeout: 1d}",
    "sub-run": "{kind: workflow, key: step, workflow: called, payload: {n: 1}}",
    "transaction": "{key: step, action: models.create, inputs: {model: auth.Group, values: {name: Buyers}}, timeout: 1}",
    "secret": "{key: step, action: http.request, connection: shop, inputs: {method: POST, url: /order}, timeout: 1}",
}
PLACES = {
    "approval": (assignees, "find_assignees"),
    "sub-run": (assignees, "check_may_call"),
    "transaction": (transactional, "reach"),
    "secret": (credentials, "open_connection"),
}


@pytest.fixture
def shop(sink, owner, settings, publish):
    """What the steps need: a permission, a model, a connection, and a workflow to call; gives the sink."""
    settings.AUTOMATE_MODELS = {"auth.Group": {"read": ["name"], "write": ["name"]}}
    owner.user_permissions.add(Permission.objects.get(codename="add_group"))
    Connection.objects.create(
        name="Shop", slug="shop", connector="http", owner=owner, config={"base_url": sink.url, "auth": "none"}
    )
    publish("  - {key: set, action: data.set, inputs: {n: 1}}", slug="called", triggers="[{kind: manual}]")
    return sink


@pytest.mark.parametrize("kind", STEPS)
def test_a_cut_session_before_the_effect_costs_no_attempt(kind, publish, run, colleague, shop, monkeypatch):
    """The thread's own session is ended by the server in the middle, as in a restart; longer than the step's timeout."""
    cuts, (module, name) = iter([True] * 10), PLACES[kind]
    original = getattr(module, name)

    def cut(*args):
        with connections["default"].cursor() as cursor:
            if next(cuts, False):
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return original(*args)

    monkeypatch.setattr(module, name, cut)
    publish(f"  - {STEPS[kind]}")
    ended = run()
    assert (ended.status, ended.error) == ("waiting" if kind == "approval" else "succeeded", None)
    assert [step.attempt for step in StepRun.objects.filter(run=ended, path="step")] == [1]
    assert len(shop.calls) == (kind == "secret")
    assert Group.objects.filter(name="Buyers").count() == (kind == "transaction")
