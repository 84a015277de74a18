"""Hosted forms in a definition: what keeps one from being published, and what publishing makes of it."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from automate_authoring import workflows
from automate_authoring.definitions import validation, yaml_files
from automate_core import database
from automate_core.definition.document import DefinitionError
from automate_core.files.store import FileOwner, store_file
from automate_core.models import ActiveTrigger, Event, HostedForm, StoredFile, Workflow
from automate_core.triggers import forms
from automate_governance.models import AuditEntry
from automate_operations.retention import statements

FORM = """
name: Claim
slug: claim
triggers:
  - {kind: form, slug: claim, inputs: [{name: name, required: true}]}
steps: [{key: note, action: data.set, inputs: {a: 1}}]
"""
FAULTS = {
    "slug: page": "is reserved",
    "inputs: []": "Add at least one field.",
    "redirect: 'http://www.example.com/'": "begins with https://",
    "redirect: 'https://evil.example/'": "evil.example is not in AUTOMATE_FORM_REDIRECT_HOSTS",
    "redirect: 'https://www.example.com@evil.example/'": "begins with https://",
    "origins: ['https://www.example.com/path']": "is not an origin",
    "origins: ['https://*.com']": "is not an origin",
    "origins: ['https://www.example.com'], access: signed_in": "cannot be embedded",
    "closes_at: tomorrow": "is not a date and time",
    "inputs: [{name: a, kind: choices}]": "Add at least one choice.",
    "inputs: [{name: a, kind: date, maximum: 2}]": "can have a limit",
    "inputs: [{name: a, minimum: 3, maximum: 2}]": "less than the minimum",
    "inputs: [{name: a, kind: file, accept: [pdf]}]": "is not a file type",
    "inputs: [{name: a, accept: [.pdf]}]": "Only files can have accepted types.",
    "inputs: [{name: a}, {name: a}]": "already used by another field",
}


def problems(text: str) -> str:
    return " ".join(map(str, validation.find_problems(yaml_files.read_workflow(text))))


def test_faults_of_a_form_are_told(settings):
    settings.AUTOMATE_FORM_REDIRECT_HOSTS = ["www.example.com"]
    missed = []
    for change, words in FAULTS.items():
        name = change.partition(":")[0]
        kept = {"slug": "slug: claim", "inputs": "inputs: [{name: name, required: true}]"}
        rest = [each for at, each in kept.items() if at != name]
        found = problems(FORM.replace(", ".join(kept.values()), ", ".join([*rest, change])))
        if words not in found:
            missed.append((change, found))
    assert missed == [] and problems(FORM) == ""


def test_only_hosted_forms_have_files():
    text = FORM.replace("kind: form, slug: claim", "kind: manual").replace("required: true", "kind: file")
    assert "Only hosted forms can have fields of this type." in problems(text)


@pytest.mark.django_db
def test_an_address_belongs_to_one_workflow(workflow, owner):
    first = workflow(FORM)
    assert ActiveTrigger.objects.get(workflow=first, kind="form").source == "form:claim"
    with pytest.raises(DefinitionError, match="already used by a form of another workflow"):
        workflow(FORM.replace("slug: claim\n", "slug: other\n"))
    twice = FORM.replace("steps:", "  - {kind: form, key: again, slug: claim, inputs: [{name: a}]}\nsteps:")
    with pytest.raises(DefinitionError, match="another form of this workflow"):
        workflow(twice)
    HostedForm.objects.update(answers=3)
    workflow(FORM.replace("kind: form, slug: claim", "kind: form, slug: claims"))
    assert HostedForm.objects.values_list("slug", "answers").get() == ("claims", 3), "it keeps its count"
    workflow(FORM.replace("slug: claim\n", "slug: other\n"))
    workflow("name: Claim\nslug: claim\nsteps: [{key: note, action: data.set, inputs: {a: 1}}]")
    assert forms.find_form("claims") is None and forms.find_form("claim").workflow.slug == "other"


@pytest.mark.django_db
def test_a_form_survives_export_and_import(workflow):
    made = workflow(FORM.replace("slug: claim, ", "slug: claim, access: link, closes_at: '2030-01-01T10:00', "))
    written = yaml_files.write_workflow(workflows.load_definition(made))
    assert yaml_files.read_workflow(written) == workflows.load_definition(made)
    trigger = forms.find_form("claim").trigger
    assert forms.closing_time(trigger, "Europe/Berlin") == dt.datetime(2030, 1, 1, 9, tzinfo=dt.UTC)


@pytest.mark.django_db
def test_a_closed_form_takes_nothing_and_leaves_nothing(workflow, owner):
    made = workflow(FORM)
    form = forms.find_form("claim")
    Workflow.objects.filter(pk=made.pk).update(status="archived")
    form = forms.find_form("claim")
    with pytest.raises(forms.FormClosedError):
        forms.accept_answer(form, {"name": "Anna"}, key="0" * 31 + "1", by=owner)
    assert not Event.objects.exists() and not AuditEntry.objects.filter(verb="workflow.form_answered").exists()


@pytest.mark.django_db
def test_files_need_a_storage(workflow, settings):
    settings.STORAGES = {name: each for name, each in settings.STORAGES.items() if name != "automate"}
    with pytest.raises(DefinitionError, match="Files need a storage"):
        workflow(FORM.replace("{name: name, required: true}", "{name: name, kind: file}"))


@pytest.mark.django_db
def test_the_files_of_an_answer_go_with_its_event(workflow, owner, settings, tmp_path):
    options = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "automate": options}
    made = workflow(FORM)
    form, key = forms.find_form("claim"), "0" * 31 + "1"
    event = forms.accept_answer(form, {"name": "Anna"}, key=key, by=owner).event_id
    value = store_file(b"text", name="a.txt", owner=FileOwner(trace_id=key, workflow_id=made.pk, event_id=event))
    stored = StoredFile.objects.get(pk=value["$file"])
    named = {"names": [stored.file]}
    assert [row.name for row in database.run(None, statements.FILES_NAMED, named)] == [stored.file]
    Event.objects.update(emptied_at=timezone.now())
    assert database.run(None, statements.FILES_NAMED, named) == [], "retention deletes what no row names"
