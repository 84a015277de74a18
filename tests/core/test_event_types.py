"""What the host's code emits is closed: a setting says which types workflows may listen to, and what that takes."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.publishing import shadow_evaluation
from automate_core.api import emit
from automate_core.definition.document import DefinitionError
from automate_core.events import event_types, run_rights, stops
from automate_core.models import Event, ExecutionRun
from automate_governance.models import AuditEntry
from tests.support.event_pages import INBOX, EventPage, event_address

pytestmark = pytest.mark.django_db(transaction=True)

LISTENS = """
name: Salaries
slug: salaries
triggers: [{kind: event, event: salary.paid}]
steps: [{key: keep, action: data.set, inputs: {seen: '{{ event.payload.amount }}'}}]
"""
NEEDED = "auth.view_group"


@pytest.fixture
def listening(owner, settings, drain):
    """An event of the past, a permission to listen that the owner has, and a workflow that listens."""
    emit("salary.paid", {"amount": 90_000})
    drain()
    settings.AUTOMATE_EVENT_TYPES = {"salary.paid": NEEDED}
    return workflows.save_definition(yaml_files.read_workflow(LISTENS), owner=owner)


@pytest.fixture
def permit():
    """Give a person the permission to listen, or take it back."""

    def change(person, *, give=True):
        permission = Permission.objects.get(codename="view_group")
        (person.user_permissions.add if give else person.user_permissions.remove)(permission)
        return get_user_model().objects.get(pk=person.pk)

    return change


def test_a_type_that_is_not_listed_is_closed_to_everybody(listening, admin, settings, sign_in, owner):
    settings.AUTOMATE_EVENT_TYPES = {}
    with pytest.raises(DefinitionError, match=r"AUTOMATE_EVENT_TYPES does not list 'salary\.paid'"):
        workflows.publish(listening, author=admin)
    review = sign_in(owner).get(reverse("studio:review", args=[listening.pk])).content.decode()
    assert "AUTOMATE_EVENT_TYPES" in review and "with the permission required to listen" in review
    assert "90000" not in sign_in(owner).get(reverse("studio:builder_sample", args=[listening.pk])).content.decode()


def test_publishing_and_starting_take_the_permission(listening, owner, permit, drain, monkeypatch, settings):
    monkeypatch.setattr(run_rights, "CACHE_SECONDS", 0.0)
    with pytest.raises(DefinitionError, match=f"owner needs the permission {NEEDED} to listen to 'salary.paid'"):
        workflows.publish(listening, author=owner)
    workflows.publish(listening, author=permit(owner))

    def runs():
        emit("salary.paid", {"amount": 1})
        drain()
        return ExecutionRun.objects.count()

    assert runs() == 1
    permit(owner, give=False)
    listening.refresh_from_db()
    assert runs() == 1
    assert stops.stop_sentences(listening)[:1] == [
        "Stopped: the run-as user owner can no longer listen to events of the type salary.paid."
    ]
    permit(owner)
    assert runs() == 3, "with the one that waited"
    settings.AUTOMATE_EVENT_TYPES = {}
    assert runs() == 3 and "does not list 'salary.paid'" in stops.stop_sentences(listening)[0]


@pytest.mark.extended
def test_past_events_are_for_those_who_may_listen(listening, owner, colleague, permit, sign_in):
    permit(owner)
    workflows.publish(listening, author=get_user_model().objects.get(pk=owner.pk))
    event = Event.objects.get()
    for verb in ("view", "view_payload", "change"):
        assign_perm(f"{verb}_workflow", colleague, listening)
    draft = LISTENS.replace("alaries", "alaries-too")
    own = workflows.save_definition(yaml_files.read_workflow(draft), owner=colleague)
    client, download = sign_in(colleague), reverse("studio:event_download", args=[event.pk])
    sample = reverse("studio:builder_sample", args=[own.pk])
    waiting = reverse("studio:builder_trigger_event", args=[own.pk, "event"])
    assert EventPage(client.get(INBOX)).events == [] and client.get(event_address(event.pk)).status_code == 404
    assert client.post(download).status_code == 404
    assert "90000" not in client.get(sample).content.decode() and client.get(waiting).status_code == 403

    permit(colleague)
    assert EventPage(client.get(INBOX)).events == [str(event.pk)] and client.post(download).status_code == 200
    assert AuditEntry.objects.filter(verb="event.payload_downloaded").exists()
    assert "90000" in client.get(sample).content.decode()
    emit("secret.other", {"amount": 7})
    newest = Event.objects.latest("id")
    assert client.post(waiting, {"event": newest.pk}).status_code == 404, "of another type, which is closed"
    evaluation = shadow_evaluation.evaluate_draft(
        own, workflows.load_definition(own), by=get_user_model().objects.get(pk=colleague.pk)
    )
    assert evaluation and [each.id for each in evaluation.events] == [str(event.pk)]


def test_public_types_are_for_whoever_builds_workflows(listening, owner, settings, sign_in, django_user_model):
    settings.AUTOMATE_EVENT_TYPES = {"salary.paid": "public"}
    workflows.publish(listening, author=owner)
    plain = django_user_model.objects.create_user("plain", is_staff=True)
    assert sign_in(plain).get(event_address(Event.objects.get().pk)).status_code == 404


def test_a_setting_that_names_no_permission_is_an_error(settings):
    settings.AUTOMATE_EVENT_TYPES = {
        "a": "public",
        "b": "auth.view_user",
        "c": "view_user",
        "d": "nowhere.x",
        "": "public",
    }
    told = [each.msg for each in event_types.check_event_types(None)]
    assert len(told) == 3 and all("AUTOMATE_EVENT_TYPES" in each for each in told)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("auth.view_usr", "Did you mean auth.view_user?"),
        ("automate_core.operate_any_worflow", "Did you mean automate_core.operate_any_workflow?"),
        ("auth.nowhere", "Use a permission of a model, or silence this warning if your code creates it."),
    ],
)
def test_a_permission_that_no_model_declares_is_warned_of(settings, given, hint):
    settings.AUTOMATE_EVENT_TYPES = {"order.paid": given, "known": "automate_core.operate_any_workflow"}
    [told] = event_types.check_event_types(None)
    assert told.id == "automate_core.W003" and given in told.msg and told.hint == hint
