"""Service webhooks in the builder, in the review, and on the pages of workflows and triggers."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from automate_authoring import pausing, workflows
from automate_connectors.models import Connection
from automate_core.database import now
from automate_core.models import Notification, NotificationRule, ServiceWebhook
from tests.support.builder import Builder
from tests.support.github import Hooks
from tests.support.pages import Page
from tests.support.workflows import WITHOUT_TRIGGERS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def builder(workflow, sign_in, owner):
    return Builder(sign_in(owner), workflow(WITHOUT_TRIGGERS, publish=False))


@pytest.fixture
def github(settings, monkeypatch, owner):
    made = Hooks()
    settings.AUTOMATE_EGRESS_ALLOW = [made.host]
    monkeypatch.setenv("AUTOMATE_SECRET_HUB", "ghp_of_a_test")
    config = {"token": "env:HUB", "base_url": made.url}
    Connection.objects.create(name="Hub", slug="hub", connector="github", config=config, owner=owner)
    yield made
    made.close()


def config(builder):
    return builder.workflow.triggers.get(key="service").config


def add(builder, reference):
    return builder.do("add_trigger", kind="service", config=json.dumps({"webhook": reference}))


def test_a_webhook_is_added_set_up_reviewed_and_published(builder, github, owner, sign_in):
    assert add(builder, "github.push").status_code == 200
    assert config(builder) == {"webhook": "github.push", "connection": "hub"}, "it begins with the only connection"
    panel = builder.panel("~trigger")
    assert "GitHub: Push" in panel.text and "registered at the service after you publish" in panel.text
    assert "Event types" not in panel.text
    stored = builder.save("~trigger", trigger="service", **{"service.inputs.repository": "o/r"})
    assert stored.status_code == 200 and config(builder)["inputs"] == {"repository": "o/r"}
    builder.save("~trigger", trigger="service", webhook="github.repository")
    assert config(builder) == {"webhook": "github.repository", "connection": "hub", "inputs": {}}
    builder.save("~trigger", trigger="service", **{"service.inputs.repository": "o/r"})
    builder.save("~trigger", trigger="service", events=["", "push", "issues"], other_events="fork, star")
    assert config(builder)["events"] == ["push", "issues", "fork", "star"]
    builder.save("~trigger", trigger="service", other_events="")
    assert config(builder)["events"] == ["push", "issues"] and "Event types" in builder.panel("~trigger").text
    rev = builder.workflow.triggers.get().rev
    builder.save("~trigger", trigger="service", events=["", "push", "issues"], other_events="")
    assert builder.workflow.triggers.get().rev == rev, "a form that says the same is no edit"
    url = reverse("studio:review", args=[builder.workflow.pk])
    review = Page(builder.client.get(url)).text
    assert "The webhook GitHub: Chosen events will be registered at its service after publishing." in review
    workflows.publish(builder.workflow, author=owner)
    assert "being registered at the service" in builder.panel("~trigger").text
    builder.do("remove_trigger", key="service")
    assert "will be removed at its service" in Page(builder.client.get(url)).text


@pytest.mark.extended
def test_trouble_is_told_on_the_pages_and_to_people(builder, github, owner, sign_in, drain, notify, admin):
    add(builder, "github.push")
    builder.save("~trigger", trigger="service", **{"service.inputs.repository": "o/r"})
    workflows.publish(builder.workflow, author=owner)
    NotificationRule.objects.create(kind="not_polled", failures=2, channel="email", to_owner=True, author=admin)
    github.answer = lambda method, path: 503
    drain()
    notify()
    assert not Notification.objects.exists(), "one failure is not two"
    ServiceWebhook.objects.update(next_at=now())
    drain()
    for _ in range(2):
        NotificationRule.objects.update(look_at=now())
        notify()
    [told] = Notification.objects.filter(kind="not_polled")
    assert "github.push" in told.facts[0]["text"] and "HTTP 503" in told.facts[0]["text"] and told.count == 1
    pages = {
        "the card": builder.panel("~trigger").text,
        "the workflow": Page(
            builder.client.get(reverse("admin:automate_core_workflow_change", args=[builder.workflow.pk]))
        ).text,
        "the list": Page(builder.client.get(reverse("studio:trigger_list"))).text,
        "the failing ones": Page(builder.client.get(reverse("studio:trigger_list") + "?tab=failing")).text,
    }
    assert [name for name, text in pages.items() if "2 failures in a row: GitHub rejected" not in text] == []
    github.answer = lambda method, path: 0
    ServiceWebhook.objects.update(next_at=now())
    drain()
    assert "Registered at the service" in builder.panel("~trigger").text
    pausing.pause(builder.workflow, owner)
    assert "registered at the service after you publish" in builder.panel("~trigger").text
