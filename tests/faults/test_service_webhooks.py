"""Workers that die while they register a webhook: the service has one registration, and its row the id."""

from __future__ import annotations

import signal

import pytest

from automate_authoring import pausing
from automate_connectors.models import Connection
from automate_core.database import now
from automate_core.models import ServiceWebhook
from tests.support.github import Hooks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

PUSHES = """
name: Pushes
slug: pushes
triggers: [{kind: service, webhook: github.push, connection: hub, inputs: {repository: o/r}}]
steps: [{key: note, action: data.set}]
"""


@pytest.mark.extended
def test_a_worker_dies_between_the_registration_and_its_commit(workflow, mill, drain, settings, monkeypatch, owner):
    github = Hooks()
    settings.AUTOMATE_EGRESS_ALLOW = [github.host]
    monkeypatch.setenv("AUTOMATE_SECRET_HUB", "ghp_of_a_test")
    config = {"token": "env:HUB", "base_url": github.url}
    Connection.objects.create(name="Hub", slug="hub", connector="github", config=config, owner=owner)
    try:
        made = workflow(PUSHES)
        given = {"AUTOMATE_EGRESS_ALLOW": github.host, "AUTOMATE_SECRET_HUB": "ghp_of_a_test"}
        doomed = mill.worker(AUTOMATE_FAULTS="webhook.called=kill", **given)
        assert doomed.wait(120) == -signal.SIGKILL
        assert len(github.hooks) == 1 and ServiceWebhook.objects.get().registration_id == "", "not written"
        ServiceWebhook.objects.update(next_at=now())  # its lease is over
        drain()
        [hook], webhook = github.hooks, ServiceWebhook.objects.get()
        assert (webhook.state, webhook.registration_id) == ("registered", str(hook["id"]))
        pausing.pause(made, owner)
        doomed = mill.worker(AUTOMATE_FAULTS="webhook.called=kill", **given)
        assert doomed.wait(120) == -signal.SIGKILL
        assert github.hooks == [] and ServiceWebhook.objects.get().state == "removing"
        ServiceWebhook.objects.update(next_at=now())
        drain()
        assert not ServiceWebhook.objects.exists(), "what the service does not know any more is removed"
    finally:
        github.close()
