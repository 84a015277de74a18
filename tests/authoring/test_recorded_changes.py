"""The trail holds what a workflow was: old and new values of every edit, and digests that a verification compares."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from automate_authoring import workflows
from automate_authoring.definitions.digests import definition_digest
from automate_core.models import Workflow, WorkflowVersion
from automate_governance import audit
from automate_governance.models import AuditEntry
from automate_governance.permissions import SITE
from tests.support.editors import Editor

pytestmark = pytest.mark.django_db(transaction=True)

FLOW = """
name: Big
slug: big
triggers: [{kind: manual}]
steps:
  - key: size
    kind: branch
    arms:
      - {key: large, name: Large, when: {">": [{var: event.payload.total}, 7500]}, steps: []}
  - {key: ship, name: Ship, action: http.request, inputs: {method: POST, url: "https://example.com/a"}}
"""
LIMIT = '"var": "event.payload.total"}, %s'


@pytest.fixture
def big(workflow):
    return workflow(FLOW)


def _edits(verb, place=-1):
    entries = list(AuditEntry.objects.filter(verb=verb).order_by("pk"))
    return [
        (line["in"], line.get("field"), line.get("from"), line.get("to")) for line in entries[place].changes["edits"]
    ]


def test_an_edit_in_the_builder_says_what_each_field_was(big, owner):
    editor = Editor(big, owner)
    editor.do("edit", key="ship", set={"inputs.url": "https://example.com/b"}, unset=[])
    assert _edits("workflow.edited") == [("Ship", "url", "https://example.com/a", "https://example.com/b")]
    editor.do("edit", key="ship", set={"inputs.url": "https://example.com/c"}, unset=[])
    assert _edits("workflow.edited") == [("Ship", "url", "https://example.com/b", "https://example.com/c")], "typing on"
    editor.do("edit_condition", key="size", arm="large", when={">": [{"var": "event.payload.total"}, 8000]})
    [(step, field, was, now)] = _edits("workflow.edited")
    assert (step, field) == ("Size", "condition of Large") and LIMIT % 7500 in was and LIMIT % 8000 in now
    editor.undo()
    assert _edits("workflow.edited")[0][2:] == (now, was)
    editor.do("delete", key="ship")
    assert ("Ship", "url", "https://example.com/c", None) in _edits("workflow.edited")
    editor.do("edit_settings", set={"description": "New"})
    assert _edits("workflow.edited") == [("Workflow", "description", None, "New")]


def test_a_replaced_and_a_published_definition_say_it(big, owner, tmp_path):
    file = tmp_path / "big.yaml"
    file.write_text(FLOW.replace("7500", "5000"))
    call_command("automate_import", str(file), owner="owner", publish=True)
    for verb in ("workflow.changed", "workflow.published"):
        [(step, field, was, now)] = _edits(verb)
        assert (step, field) == ("Size", "condition of Large") and LIMIT % 7500 in was and LIMIT % 5000 in now
    workflows.restore(big, 1, by=owner)
    assert LIMIT % 7500 in _edits("workflow.restored")[0][3]


def test_secrets_and_sensitive_inputs_are_recorded_as_changed_alone(workflow, owner):
    made = workflow(
        "{name: Keys, slug: keys, steps: [{key: ask, name: Ask, action: http.request, inputs:"
        " {method: GET, url: 'https://example.com', headers: {Authorization: 'Bearer {{ event.payload.a }}'}}}]}"
    )
    Editor(made, owner).do(
        "edit", key="ask", set={"inputs.headers": {"Authorization": "Bearer abcdefghijklmnop1234"}}, unset=[]
    )
    Editor(made, owner).do("edit_settings", set={"vars": {"api_key": "hunter2-hunter2"}})
    said = str(list(AuditEntry.objects.values_list("changes", flat=True)))
    assert "abcdefghijklmnop1234" not in said and "hunter2" not in said
    assert _edits("workflow.edited") == [("Workflow", "api_key (variables)", None, "changed")]


def test_long_values_are_shortened_with_their_digest(big, owner):
    Editor(big, owner).do("edit", key="ship", set={"inputs.body": "x" * 5000}, unset=[])
    now = _edits("workflow.edited")[0][3]
    assert len(now) < 700 and "(5000 characters, SHA-256 " in now


def test_a_published_version_is_append_only(big):
    for change in ("definition = '{}'", "number = 9", "message = 'other'", "author_id = author_id + 1"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE automate_core_workflowversion SET {change}")
    WorkflowVersion.objects.update(message="")
    Workflow.objects.all().delete()


def test_the_verification_compares_versions_with_what_was_published(big, owner):
    entry = AuditEntry.objects.get(verb="workflow.published")
    assert entry.changes["definition_sha256"] == definition_digest(WorkflowVersion.objects.get().definition)
    assert list(audit.verify()) == []
    audit.erase_values([entry.pk], erased_by=owner, reason="x")
    import pgtrigger

    with pgtrigger.ignore("automate_core.WorkflowVersion:append_only"), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE automate_core_workflowversion SET definition = replace(definition::text, '7500', '75')::json"
        )
    [fault] = audit.verify()
    assert fault == f"version 1 of the workflow big is not what was published (entry {entry.pk})"
    Workflow.objects.update(published=None)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM automate_core_activetrigger")
        cursor.execute("DELETE FROM automate_core_workflowversion")
    [fault] = audit.verify()
    assert fault == f"version 1 of the workflow big is missing (entry {entry.pk})"
    Workflow.objects.all().delete()
    assert list(audit.verify()) == []


def test_versions_of_before_count_as_not_recorded(big, owner):
    from automate_operations.audit_checks import count_unrecorded_versions

    assert count_unrecorded_versions() == 0
    version = WorkflowVersion.objects.get()
    WorkflowVersion.objects.create(workflow=big, number=7, definition=version.definition, author=owner, run_as=owner)
    audit.record(owner, "workflow.published", big, changes={"version": 7})
    audit.record(owner, "audit.verified", SITE(pk=0), changes={})
    assert count_unrecorded_versions() == 1 and list(audit.verify()) == []
