"""A model server, a connection to it, and actions as a step of a workflow calls them."""

from __future__ import annotations

import time

import msgspec
import pytest

from automate_connectors.invocation import invoke
from automate_connectors.models import Connection
from automate_connectors.registry import find_action
from automate_egress import HttpSession
from automate_governance.models import StoredSecret
from automate_testing.fakes import context
from tests.llm.server import KEY, ModelServer


@pytest.fixture
def models(settings):
    """The server, which workflows may call."""
    made = ModelServer()
    settings.AUTOMATE_EGRESS_ALLOW = [made.host]
    yield made
    made.close()


@pytest.fixture
def connection(models, owner):
    """The connection `model` to that server, by one of the three APIs."""

    def make(provider="openai", key=KEY, **config):
        secret = StoredSecret(name="model-key", owner=owner)
        secret.put(key)
        secret.save()
        made = Connection(name="Model", slug="model", connector="llm", owner=owner)
        made.config = {"provider": provider, "base_url": models.base_url(provider), "api_key": "database:model-key"}
        made.config |= config
        made.full_clean()
        made.save()
        return made

    return make


@pytest.fixture
def act(models, db):
    """Do one action against the server, over real HTTP; gives its output."""

    def go(action, provider="openai", *, key=KEY, seconds=10, step="step", **params):
        config = {"provider": provider, "base_url": models.base_url(provider), "api_key": key}
        config |= params.pop("config", {})
        given = context(connection=config, step={"path": step, "attempt": 1}, deadline=time.monotonic() + seconds)
        given["http"] = HttpSession(internal_hosts=[models.host], deadline=given["deadline"])
        adapter, found = find_action(f"llm.{action}")
        return msgspec.json.decode(invoke(adapter, found, {"model": "small", **params}, given))

    return go
