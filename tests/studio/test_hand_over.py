"""People who leave: what they hold is shown and handed over at once, and their accounts stay."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_connectors.models import Connection
from automate_core.models import ExecutionRun, NotificationRule, Wait, WaitAssignee
from automate_governance import audit
from automate_governance.models import AuditEntry, StoredSecret
from tests.support.pages import Page
from tests.support.people import make_person

pytestmark = pytest.mark.django_db(transaction=True)

ASKING = """
name: Holidays
slug: holidays
triggers: [{endpoint: github}]
steps:
  - {kind: approval, key: ask, assignees: [leaver], timeout: 1h}
  - {key: note, action: http.request, connection: crm, inputs: {method: GET, url: 'https://a.example.com'}}
"""


@pytest.fixture
def leaver(db):
    return make_person("leaver", "Builders")


@pytest.fixture
def held(leaver, owner, endpoint, workflow, deliver, drain):
    """A workflow of the leaver's that waits for them, with a connection, a webhook, a secret and a rule."""
    config = {"base_url": "https://a.example.com"}
    connection = Connection.objects.create(name="CRM", slug="crm", connector="http", config=config, owner=leaver)
    secret = StoredSecret(name="crm-token", owner=leaver)
    secret.put("a-secret-of-the-leaver")
    secret.save()
    assign_perm("use_connection", owner, connection)
    made = workflow(ASKING)
    deliver()
    drain()
    made.owner = made.run_as = endpoint.owner = leaver
    made.save()
    endpoint.save()
    made.versions.update(run_as=leaver)
    rule = NotificationRule.objects.create(workflow=made, kind="first_failure", channel="email")
    rule.people.add(leaver)
    assert Wait.objects.get().kind == "approval"
    return made


def _page(person):
    return reverse("studio:hand_over", args=[person.pk])


@pytest.mark.extended
def test_all_is_shown_and_handed_over_at_once(held, leaver, admin, owner, colleague, sign_in):
    client = sign_in(admin)
    page = Page(client.get(_page(leaver)))
    for title in ("Open approvals", "Owned: workflows", "Owned: connections", "Owned: ", "run as this person"):
        assert title in page.text
    refused = Page(client.post(_page(leaver), {"to": "nobody-here"}))
    assert refused.status == 422 and refused.ids["leaver-to"]["aria-invalid"] == "true"
    assert refused.ids["leaver-to-why"]["role"] == "alert"
    assert sign_in(owner).post(_page(leaver), {"to": "owner"}).status_code == 403
    answer = client.post(_page(leaver), {"to": "colleague", "deactivate": "1"}, follow=True)
    assert "Handed over from leaver to colleague" in Page(answer).text and "Nothing to hand over" in Page(answer).text
    assert "An approval of the workflow Holidays names leaver" in Page(answer).text
    held.refresh_from_db()
    leaver.refresh_from_db()
    assert (held.owner, held.run_as, held.published.run_as, leaver.is_active) == (colleague,) * 3 + (False,)
    assert Connection.objects.get(slug="crm").owner == StoredSecret.objects.get(name="crm-token").owner == colleague
    assert list(WaitAssignee.objects.values_list("user__username", flat=True)) == ["colleague"]
    assert list(NotificationRule.objects.get(workflow=held).people.all()) == [colleague]
    entry = AuditEntry.objects.get(verb="user.handed_over")
    assert (entry.actor, entry.object, entry.changes["to"], entry.changes["left"]) == ("root", "leaver", "colleague", 0)
    told = dict(AuditEntry.objects.filter(verb__contains="handed_over").values_list("verb", "changes"))
    assert told["connection.handed_over"] == {"owner": {"from": "leaver", "to": "colleague"}}
    assert told["workflow.run_as_handed_over"] == {"run_as": {"from": "leaver", "to": "colleague"}}
    assert list(audit.verify()) == []


def test_who_may_replace_secrets_is_not_warned_of(held, leaver, admin, capsys):
    make_person("newcomer", "Builders")
    call_command("automate_handover", "leaver", "newcomer")
    assert "secrets" not in capsys.readouterr().err


def test_what_another_cannot_do_stays_and_is_named(held, leaver, admin, sign_in, capsys):
    """The receiver may not use connections: the workflow would fail as them. Whoever is left out decides nothing."""
    make_person("clerk")
    wait = Wait.objects.get()
    WaitAssignee.objects.create(wait=wait, user=get_user_model().objects.get(username="clerk"), excluded=True)
    call_command("automate_handover", "leaver", "clerk", dry_run=True)
    listed = capsys.readouterr().out
    assert "Open approvals: 1" in listed and "  Holidays" in listed
    with pytest.raises(CommandError, match="There is no user 'zzz'"):
        call_command("automate_handover", "leaver", "zzz", dry_run=True)
    with pytest.raises(CommandError) as raised:
        call_command("automate_handover", "leaver", "clerk", deactivate=True)
    said = capsys.readouterr()
    assert raised.value.returncode == 1 and "connections: 1" in said.out
    assert (
        "The workflow Holidays still runs as leaver" in said.err
        and "Ask: clerk is excluded from this approval" in said.err
    )
    held.refresh_from_db()
    assert (held.owner.username, held.published.run_as) == ("clerk", leaver)
    shown = Page(sign_in(admin).get(reverse("studio:overview"), headers={"HX-Request": "true"})).text
    assert "Approvals without an active approver" in shown and "1 waiting" in shown


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("leaver", "leaver", {}), "a person other than the one who leaves"),
        (("root", "owner", {"deactivate": True}), "your own account"),
        (("leaver", "owner", {"user": "owner"}), "not a superuser"),
    ],
)
def test_refused_as_a_whole(held, leaver, admin, owner, given, why):
    leaver_name, to, options = given
    with pytest.raises(CommandError, match=why) as raised:
        call_command("automate_handover", leaver_name, to, **options)
    assert raised.value.returncode == 2 and not AuditEntry.objects.filter(verb="user.handed_over").exists()


@pytest.mark.extended
def test_an_account_with_a_history_is_never_deleted(held, leaver, stranger, admin, sign_in):
    client, users = sign_in(admin), get_user_model().objects
    delete = reverse("admin:auth_user_delete", args=[leaver.pk])
    for answer in (client.get(delete), client.post(delete, {"post": "yes"})):
        assert answer.status_code == 302 and answer["Location"] == _page(leaver)
    chosen = {"action": "delete_selected", "_selected_action": [leaver.pk], "post": "yes"}
    assert "appears in the history" in client.post(reverse("admin:auth_user_changelist"), chosen).content.decode()
    assert users.filter(pk=leaver.pk).exists()
    assert client.post(reverse("admin:auth_user_delete", args=[stranger.pk]), {"post": "yes"}).status_code == 302
    assert not users.filter(pk=stranger.pk).exists(), "an account without a history"


def test_deactivating_leads_to_what_is_still_held(held, leaver, admin, sign_in):
    client, page = sign_in(admin), reverse("admin:auth_user_change", args=[leaver.pk])
    assert reverse("admin:auth_user_hand_over", args=[leaver.pk]) in client.get(page).content.decode()
    sent = {"username": "leaver", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "is_staff": "on"}
    answer = client.post(page, sent)
    assert answer.status_code == 302 and answer["Location"] == _page(leaver)
    assert "was deactivated" in Page(client.get(_page(leaver))).text


def test_no_code_deletes_a_person_whom_an_open_approval_waits_for(run_that_waits, stranger):
    from django.db.models import ProtectedError

    with pytest.raises(ProtectedError, match="WaitAssignee"):
        stranger.delete()
    Wait.objects.update(status="resolved")
    stranger.delete()
    assert not WaitAssignee.objects.exists()


@pytest.fixture
def run_that_waits(workflow, owner, stranger):
    flow = workflow("{name: A, slug: a, steps: [{kind: approval, key: ask, assignees: [owner], timeout: 1h}]}")
    run = ExecutionRun.objects.create(workflow=flow, version=flow.published, status="waiting", trace_id="1" * 32)
    wait = Wait.objects.create(run=run, path="ask", kind="approval")
    WaitAssignee.objects.create(wait=wait, user=stranger)
    return run
