"""People who leave: what they hold is shown and handed over at once, and their accounts stay."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_api.tokens.issuing import create_token
from automate_connectors.models import Connection
from automate_core.models import ExecutionRun, NotificationRule, Wait, WaitAssignee
from automate_governance import audit, sharing
from automate_governance.models import AuditEntry, StoredSecret
from automate_operations.offboarding import handover, holdings
from tests.support.pages import Page, rows_of
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
    preview = Page(client.post(_page(leaver), {"to": "colleague", "deactivate": "1"}))
    assert "The account is deactivated." in preview.text and "left" not in preview.ids
    assert not AuditEntry.objects.filter(verb="user.handed_over").exists(), "nothing has happened yet"
    answer = client.post(_page(leaver), {"to": "colleague", "deactivate": "1", "stays": "0"}, follow=True)
    text = Page(answer).text
    assert "Handed over from leaver to colleague: 1 secret, 1 " in text and "Nothing to hand over" in text
    assert "1 workflow that runs as leaver" in text and "1 open approval." in text
    assert "The account leaver was deactivated." in text
    assert "leaver-to" not in Page(answer).ids, "no form without anything to hand over"
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
    label = f"Holidays: Ask ({wait.run})"
    assert f"  {label}\n" in listed and label in Page(sign_in(admin).get(_page(leaver))).text
    with pytest.raises(CommandError, match="There is no user 'zzz'"):
        call_command("automate_handover", "leaver", "zzz", dry_run=True)
    with pytest.raises(CommandError) as raised:
        call_command("automate_handover", "leaver", "clerk", deactivate=True)
    said = capsys.readouterr()
    assert raised.value.returncode == 1 and "connections: 1" in said.out
    assert (
        "The workflow Holidays still runs as leaver" in said.err
        and f"{label}: clerk is excluded from this approval" in said.err
    )
    held.refresh_from_db()
    leaver.refresh_from_db()
    assert (held.owner.username, held.published.run_as, leaver.is_active) == ("clerk", leaver, True)
    assert "leaver was not deactivated" in str(raised.value) and "has no role that allows it" in said.err
    get_user_model().objects.filter(pk=leaver.pk).update(is_active=False)
    shown = Page(sign_in(admin).get(reverse("studio:overview"), headers={"HX-Request": "true"})).text
    assert "Approvals without an active approver" in shown and "1 waiting" in shown
    tasks = reverse("studio:approval_list")
    for tab in ("all", "lost"):
        [row] = rows_of(sign_in(admin), tasks, show=tab)
        assert "leaver (not active)" in row
        page = Page(sign_in(admin).get(tasks, {"show": tab})).text
        assert "Current approver (username)" in page, "they are handed over where the warnings lead"
    with pytest.raises(CommandError, match="There are errors"):
        call_command("automate_status")
    assert "1 open approval has no active approver. Reassign it." in capsys.readouterr().out


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
    asked = Page(client.post(page, sent))
    assert "Holidays" in asked.text and "Hand over first" in asked.text
    assert "1 run in progress acts as this person." in asked.text and "1 open approval asks this person." in asked.text
    leaver.refresh_from_db()
    assert leaver.is_active, "the question has not been answered"
    answer = client.post(page, {**sent, "_deactivate": "1"})
    assert answer.status_code == 302 and answer["Location"] == _page(leaver)
    assert "was deactivated" in Page(client.get(_page(leaver))).text


def test_the_page_of_an_account_with_a_history_does_not_ask_for_what_was_done(held, leaver, admin, colleague, sign_in):
    audit.record(leaver, "thing.done", held)
    handover.hand_over(leaver, colleague, by=admin, deactivate=True)
    shown = Page(sign_in(admin).get(_page(leaver))).text
    assert "it can be deactivated, but not deleted" in shown


def test_the_page_previews_and_asks_again_when_something_stays(held, leaver, admin, sign_in):
    make_person("clerk")
    assert "1 run continues as root." in Page(sign_in(admin).post(_page(leaver), {"to": "root"})).text
    client, form = sign_in(admin), {"to": "clerk", "deactivate": "1"}
    page = Page(client.post(_page(leaver), form))
    assert "Holidays still runs as leaver" in page.text and "Hand over the rest" in page.text
    assert "clerk has no role that allows it" in page.text
    assert "clerk does not have permission" in page.text and "Clerk" not in page.text, "a name stays as it is"
    assert "The account stays active while something stays with it." in page.text
    again = Page(client.post(_page(leaver), {**form, "stays": "0"}))
    assert "preview" in again.ids, "more stays than the person confirmed"
    assert not AuditEntry.objects.filter(verb="user.handed_over").exists()
    done = Page(client.post(_page(leaver), {**form, "stays": "1"}, follow=True))
    leaver.refresh_from_db()
    held.refresh_from_db()
    assert "was not deactivated, because some objects stay" in done.text and leaver.is_active
    assert (held.owner.username, held.published.run_as) == ("clerk", leaver)


def test_a_second_handover_moves_what_runs_as_the_first_person(held, leaver, admin, colleague):
    clerk = make_person("clerk")
    assert handover.hand_over(leaver, clerk, by=admin, deactivate=True).left
    get_user_model().objects.filter(pk=leaver.pk).update(is_active=False)
    titles = [each.title for each in holdings.find_holdings(clerk)]
    assert "Owned workflows whose run-as user is not active" in titles
    handover.hand_over(clerk, get_user_model().objects.get(pk=colleague.pk), by=admin)
    held.refresh_from_db()
    assert (held.owner, held.run_as, held.published.run_as) == (colleague,) * 3
    assert not holdings.find_holdings(clerk)


def test_tokens_and_shares_stay_and_the_page_says_what_happens(leaver, held, owner, admin, sign_in, capsys):
    create_token(leaver, name="nightly", scopes=["workflow:view"], by=None)
    sharing.grant(held, owner, ["view"], by=leaver)
    text = Page(sign_in(admin).get(_page(leaver))).text
    assert "Stays with this person" in text and "nightly" in text and "are refused while it is not active" in text
    assert "Shared by this person" in text and "These permissions stay." in text
    call_command("automate_handover", "leaver", "owner", dry_run=True)
    assert "API tokens: 1. They stay with the account" in capsys.readouterr().out


def test_a_token_alone_is_asked_for_before_a_deactivation(leaver, admin, sign_in):
    create_token(leaver, name="nightly", scopes=["workflow:view"], by=None)
    page = reverse("admin:auth_user_change", args=[leaver.pk])
    sent = {"username": "leaver", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert "nightly" in Page(sign_in(admin).post(page, sent)).text
    assert sign_in(admin).post(page, {**sent, "is_active": "on"}).status_code == 302
    leaver.refresh_from_db()
    assert leaver.is_active


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


def test_a_handover_changes_neither_the_health_of_connections_nor_as_whom_runs_ran(
    held, leaver, admin, colleague, deliver, drain, sign_in
):
    config = {"base_url": "https://a.example.com", "token": "database:crm-token"}
    failing = Connection.objects.filter(slug="crm")
    failing.update(config=config, health="failing", health_note="HTTP 401")
    audit.record(
        leaver, "workflow.published", held, changes=audit.difference("run_as", "", "leaver"), facts={"version": 1}
    )
    handover.hand_over(leaver, colleague, by=admin)
    assert (failing.get().owner, failing.get().health) == (colleague, "failing")
    before = held.runs.get()
    ExecutionRun.objects.filter(pk=before.pk).update(status="succeeded", finished_at=before.created_at)
    deliver()
    drain()
    after = held.runs.exclude(pk=before.pk).get()
    client = sign_in(admin)
    for run, name in ((before, "leaver"), (after, "colleague")):
        text = Page(client.get(reverse("admin:automate_core_executionrun_change", args=[run.pk]))).text
        assert f"Ran as {name} Started" in text
    assert "colleague Ran as leaver until" in Page(client.get(reverse("studio:versions", args=[held.pk]))).text


def test_the_last_approver_is_asked_for_before_a_deactivation_and_missed_after_it(workflow, stranger, admin, sign_in):
    steps = "[{kind: approval, key: ask, assignees: [stranger], timeout: 1h}]"
    both = "[{kind: approval, key: ask, assignees: [stranger, owner], timeout: 1h}]"
    for name, asked in (("Claims", steps), ("Trips", both)):
        workflow(f"name: {name}\nslug: {name.lower()}\ntriggers: [{{kind: event, event: go}}]\nsteps: {asked}\n")
    client, page = sign_in(admin), reverse("admin:auth_user_change", args=[stranger.pk])
    status, overview = reverse("studio:site_status"), reverse("admin:index")
    missed = "No approver of ask is active"
    assert missed not in Page(client.get(status)).text and missed not in Page(client.get(overview)).text
    sent = {"username": "stranger", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    asked = Page(client.post(page, sent))
    assert "Approvals without an approver" in asked.text and "Claims" in asked.text and "Trips" not in asked.text
    assert "wait at that step until an operator reassigns the approval, and its time limit goes on" in asked.text
    assert client.post(page, {**sent, "_deactivate": "1"}).status_code == 302
    stranger.refresh_from_db()
    assert not stranger.is_active
    for address in (status, overview):
        shown = Page(client.get(address)).text
        assert missed in shown and "Claims" in shown and "Trips" not in shown
