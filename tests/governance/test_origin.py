"""Each entry says by which door its deed came in, from where, and on a command line as whom of the system."""

from __future__ import annotations

import json
import sys

import pytest
from django.core.management import call_command
from django.urls import reverse

from automate_governance import audit
from automate_governance.models import AuditEntry
from automate_governance.people import origin

pytestmark = pytest.mark.django_db(transaction=True)

ENTRIES = "automate_governance_auditentry"


def _pause(client, workflow):
    assert client.post(reverse("studio:workflow_pause", args=[workflow.pk]), REMOTE_ADDR="192.0.2.7").status_code == 303


def _last():
    entry = AuditEntry.objects.latest("pk")
    return entry.who, entry.source, entry.address


@pytest.fixture
def plain(workflow):
    return workflow("{name: Plain, slug: plain, steps: [{key: one, action: data.log, inputs: {message: x}}]}")


def test_the_browser_and_its_address(plain, sign_in, owner):
    _pause(sign_in(owner), plain)
    assert _last() == ("owner", "browser", "192.0.2.7")


def test_a_command_says_whom_it_was_done_as_and_by_which_user_of_the_system(plain, owner, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/srv/site/manage.py", "automate_workflow"])
    monkeypatch.setenv("USER", "mallory")
    call_command("automate_workflow", "pause", "plain", user="owner")
    user = origin.current_origin().system_user
    assert user and user != "mallory"
    assert _last() == (f"owner via Command line ({user})", "command", "")


def test_what_a_worker_does_for_a_person(owner):
    with origin.process_origin(origin.Source.WORKER):
        audit.record(owner, "thing.done", owner)
    assert _last() == ("owner via Worker", "worker", "")
    audit.record(owner, "thing.done", owner)
    assert _last() == ("owner via Code", "code", "")


def test_the_first_versions_entries_stay_whole_and_get_no_source_later(owner):
    """Their texts hold no source: it is neither missed, nor can one be written beside them."""
    values = {"at": "2026-01-01T00:00:00+00:00", "actor_id": "", "actor": "olga", "verb": "x", "object_type": "x.y"}
    values |= {"object_id": "1", "object": "it", "changes": {}, "trace_id": "", "address": ""}
    old = AuditEntry.objects.create(**values, canonical=json.dumps(values, sort_keys=True, separators=(",", ":")))
    assert list(audit.verify()) == []
    assert old.who == "olga"
    from tests.support.audit import without_append_only

    with without_append_only() as cursor:
        cursor.execute(f"UPDATE {ENTRIES} SET source = 'worker' WHERE id = %s", [old.pk])
    assert list(audit.verify()) == [f"entry {old.pk} does not match its record"]
