"""Approvals and reviews: decided once, by those who were asked, with a form that is filled in well."""

from __future__ import annotations

import re
import threading

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connections
from guardian.shortcuts import assign_perm

from automate_core.definition import form_validation
from automate_core.models import ExecutionRun, Notification, OutboxJob, Wait, WaitAssignee, Workflow
from automate_core.runs.waits import approvals
from automate_governance.models import AuditEntry, Preferences
from automate_governance.permissions import NotPermittedError
from automate_operations.notifications import approval_mail
from tests.support.smtp import MailServer

pytestmark = pytest.mark.django_db(transaction=True)

FORM = [
    {"name": "note", "label": "Note", "kind": "text", "required": True},
    {"name": "amount", "kind": "number"},
    {"name": "level", "kind": "choice", "choices": ["low", "high"]},
]
OUTCOMES = [{"key": "approved", "name": "Approve"}, {"key": "rejected", "name": "Reject"}]


@pytest.fixture
def run(workflow):
    made = workflow("{name: A, slug: a, steps: [{kind: approval, key: ask, assignees: [colleague], timeout: 1h}]}")
    return ExecutionRun.objects.create(workflow=made, version=made.published, status="waiting", trace_id="1" * 32)


@pytest.fixture
def wait(run, colleague):
    made = Wait.objects.create(
        run=run, path="ask", kind="approval", data={"message": "Pay?", "form": FORM, "outcomes": OUTCOMES}
    )
    WaitAssignee.objects.create(wait=made, user=colleague)
    return made


def test_a_decision_resolves_the_wait_wakes_the_run_and_is_audited(run, wait, colleague):
    approvals.decide_approval(wait, by=colleague, outcome="approved", form={"note": "fine", "amount": "12.50"})
    wait.refresh_from_db()
    run.refresh_from_db()
    assert wait.status == "resolved"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", wait.outcome["at"]), "as the interfaces write times"
    assert {**wait.outcome, "at": ""} == {
        "outcome": "approved", "by": "colleague", "at": "", "remark": "",
        "form": {"note": "fine", "amount": 12.5, "level": None},
    }  # fmt: skip
    assert (run.wakes, OutboxJob.objects.get().run_id) == (1, run.pk)
    entry = AuditEntry.objects.get(verb="approval.decided")
    assert (entry.actor, entry.changes["outcome"], entry.trace_id) == ("colleague", "approved", run.trace_id)


def test_only_those_who_were_asked_decide(wait, owner, stranger, admin, colleague):
    for person in (owner, stranger, admin):
        assert not approvals.open_approvals_for(person).exists()
        with pytest.raises(NotPermittedError):
            approvals.decide_approval(wait, by=person, outcome="approved", form={"note": "x"})
    colleague.is_active = False
    with pytest.raises(NotPermittedError):
        approvals.decide_approval(wait, by=colleague, outcome="approved", form={"note": "x"})
    assert not AuditEntry.objects.filter(verb="approval.decided").exists()


def test_members_of_a_group_decide_as_long_as_they_are_members(wait, stranger):
    fraud = Group.objects.create(name="Fraud")
    WaitAssignee.objects.create(wait=wait, group=fraud)
    stranger.groups.add(fraud)
    assert approvals.open_approvals_for(stranger).get() == wait
    stranger.groups.remove(fraud)
    with pytest.raises(NotPermittedError):
        approvals.decide_approval(wait, by=stranger, outcome="approved", form={"note": "x"})


def test_the_form_and_the_outcome_are_checked(wait, colleague):
    with pytest.raises(form_validation.AnswersError) as refused:
        approvals.decide_approval(
            wait, by=colleague, outcome="approved", form={"level": "middle", "amount": "x", "extra": 1}
        )
    assert set(refused.value.errors) == {"note", "level", "amount", "extra"}
    with pytest.raises(approvals.OutcomeError, match="approved, rejected"):
        approvals.decide_approval(wait, by=colleague, outcome="maybe", form={"note": "x"})
    wait.refresh_from_db()
    assert wait.status == "open"


def test_of_two_decisions_at_once_one_wins(run, wait, colleague, owner):
    WaitAssignee.objects.create(wait=wait, user=owner)
    barrier, came = threading.Barrier(2), []

    def act(person, outcome):
        try:
            barrier.wait()
            approvals.decide_approval(wait, by=person, outcome=outcome, form={"note": "x"})
            came.append(outcome)
        except approvals.NotOpenError as error:
            came.append(str(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=act, args=each) for each in ((colleague, "approved"), (owner, "rejected"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait.refresh_from_db()
    run.refresh_from_db()
    won = wait.outcome["outcome"]
    name = {"approved": "Approve", "rejected": "Reject"}[won]
    lost = f"Already decided by {wait.outcome['by']}: {name}."
    assert set(came) == {won, lost}
    assert (run.wakes, AuditEntry.objects.filter(verb="approval.decided").count()) == (1, 1)


@pytest.mark.parametrize(
    ("standing", "reason"),
    [
        ({"status": "expired"}, "deadline has passed"),
        ({"due_at": "2001-01-01T00:00Z"}, "deadline has passed"),  # and no worker was there to note it
        ({"status": "cancelled"}, "run has already ended"),
    ],
)
def test_what_is_over_is_not_decided(wait, colleague, standing, reason):
    Wait.objects.update(**standing)
    with pytest.raises(approvals.NotOpenError, match=reason):
        approvals.decide_approval(wait, by=colleague, outcome="approved", form={"note": "x"})


def test_operators_reassign_and_others_do_not(wait, admin, owner, stranger, colleague):
    with pytest.raises(NotPermittedError, match="permissions to operate"):
        approvals.reassign_approval(wait, by=owner, users=[stranger])
    with pytest.raises(ValueError, match="at least one"):
        approvals.reassign_approval(wait, by=admin)
    approvals.reassign_approval(wait, by=admin, users=[stranger], groups=[Group.objects.create(name="Fraud")])
    assert approvals.open_approvals_for(stranger).get() == wait
    assert not approvals.open_approvals_for(colleague).exists()
    entry = AuditEntry.objects.get(verb="approval.reassigned")
    assert (entry.changes["from"], entry.changes["to"]) == (["colleague"], ["Fraud", "stranger"])


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "again"])
def test_an_attempt_in_doubt_is_reviewed_by_who_may_run(run, owner, colleague, outcome):
    doubt = Wait.objects.create(run=run, path="pay", kind="review")
    assign_perm("view_workflow", colleague, run.workflow)
    with pytest.raises(NotPermittedError):
        approvals.resolve_review(doubt, by=colleague, outcome=outcome)
    approvals.resolve_review(doubt, by=owner, outcome=outcome, output={"id": 7})
    doubt.refresh_from_db()
    run.refresh_from_db()
    assert (doubt.outcome["outcome"], doubt.outcome["output"], run.wakes) == (outcome, {"id": 7}, 1)
    assert AuditEntry.objects.filter(verb="run.reviewed").count() == 1
    with pytest.raises(approvals.NotOpenError):
        approvals.resolve_review(doubt, by=owner, outcome=outcome)


def test_an_approval_is_not_reviewed(wait, owner):
    with pytest.raises(approvals.NotOpenError):
        approvals.resolve_review(wait, by=owner, outcome="succeeded")


def test_those_who_are_asked_are_told_and_reminded_once(wait, notify, owner, colleague, stranger, mailoutbox):
    """By name and through a group that two of them are in, but for one who may not decide."""
    fraud = Group.objects.create(name="Fraud")
    for person in (colleague, stranger, owner):
        person.groups.add(fraud)
    WaitAssignee.objects.create(wait=wait, group=fraud)
    WaitAssignee.objects.create(wait=wait, user=owner, excluded=True)
    asked = [["colleague@example.com"], ["stranger@example.com"]]
    notify()
    assert sorted(mail.to for mail in mailoutbox) == asked
    assert f"/admin/automate/approvals/{wait.pk}/" in mailoutbox[0].body and mailoutbox[0].body.startswith("Pay?")
    Wait.objects.update(remind_at="2001-01-01T00:00Z", due_at="2031-05-04T03:02Z")
    Workflow.objects.update(name="A\r\nBcc: all@example.com")  # no header of its own
    for _ in range(2):
        notify()
    assert sorted(mail.to for mail in mailoutbox[2:]) == asked
    due = "Due 4 May 2031, 03:02 UTC"
    assert due in mailoutbox[2].body and due in mailoutbox[2].alternatives[0].content and due not in mailoutbox[0].body
    assert mailoutbox[2].subject == "Reminder: Ask, A Bcc: all@example.com" and "Reminder" not in mailoutbox[0].subject
    approvals.reassign_approval(wait, by=get_user_model().objects.create_superuser("root"), users=[stranger])
    notify()
    assert [mail.to for mail in mailoutbox[4:]] == [["stranger@example.com"]]


def test_a_mail_has_the_question_the_details_and_the_page(wait, notify, settings, colleague):
    """As a mail server gets it."""
    server = MailServer()
    options = {"host": "127.0.0.1", "port": server.port}
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}}
    wait.data |= {
        "name": "Approval",
        "message": "Pay the invoice?\nIt is <b>late</b>.",
        "context": [{"label": "Amount", "value": "6,152.00 EUR"}, {"label": "Lines", "value": [1, 2]}],
    }
    wait.save(update_fields=["data"])
    Preferences.objects.create(person=colleague, language="de")
    Wait.objects.update(due_at="2031-05-04T03:02Z")
    notify()
    server.close()
    [received] = server.received
    plain, html = (received.message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    url = f"/admin/automate/approvals/{wait.pk}/"
    assert received.message["Subject"] == "Genehmigung, A", "a default name in the language of the reader"
    for text in ("Pay the invoice?", "Amount: 6,152.00 EUR", "Lines: [1, 2]", url, "2031"):
        assert text in plain
    for text in ("Genehmigung, A", "Pay the invoice?<br>It is &lt;b&gt;late&lt;/b&gt;.", "6,152.00 EUR", url):
        assert text in html


def test_each_mail_is_in_the_language_and_time_zone_of_its_recipient(wait, notify, colleague, stranger, mailoutbox):
    WaitAssignee.objects.create(wait=wait, user=stranger)
    Wait.objects.update(due_at="2031-05-04T03:02Z")
    Preferences.objects.create(person=stranger, language="de", time_zone="Asia/Tokyo")
    notify()
    bodies = {mail.to[0]: mail.body for mail in mailoutbox}
    assert "4 May 2031, 03:02 UTC" in bodies["colleague@example.com"]
    assert re.search(r"4.? Mai 2031, 12:02 JST", bodies["stranger@example.com"])
    pages = {mail.to[0]: mail.alternatives[0].content for mail in mailoutbox}
    assert 'lang="de"' in pages["stranger@example.com"] and 'lang="en' in pages["colleague@example.com"]


def test_nobody_is_told_of_what_is_over(wait, notify, colleague, mailoutbox):
    """Decided after the mail was put on its way, and before it was sent."""
    approval_mail.queue_approval_mail()
    approvals.decide_approval(wait, by=colleague, outcome="approved", form={"note": "x"})
    notify()
    assert mailoutbox == [] and Notification.objects.get().status == "dropped"


def test_mail_that_the_server_refuses_is_sent_later(wait, notify, monkeypatch, mailoutbox):
    def refuse(message):
        raise OSError("no mail today")

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMessage.send", refuse)
        notify()
    [late] = Notification.objects.all()
    assert (late.status, late.attempts, late.error) == ("waiting", 1, "The mail server responded: no mail today")
    notify()
    assert mailoutbox == [], "not before its time"
    Notification.objects.update(send_at="2001-01-01T00:00Z")
    notify()
    assert len(mailoutbox) == 1 and Notification.objects.get().status == "sent"
