"""My tasks: what waits for whom, with which facts, handed on to whom, and what was decided."""

from __future__ import annotations

import datetime as dt
import re
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from automate_core.models import ExecutionRun, Wait, WaitAssignee
from automate_core.triggers.forms import accept_answer, find_form
from automate_governance.models import AuditEntry, Preferences
from automate_studio.tasks.listing import MOST_SUMMARY, _summary
from tests.support.builder import Builder
from tests.support.pages import Page, rows_of

pytestmark = pytest.mark.django_db(transaction=True)

CLAIM = """
name: Expenses
slug: expenses
triggers: [{kind: manual, inputs: [{name: employee}, {name: amount}, {name: note}]}]
steps:
  - kind: approval
    key: ask
    name: Pay the claim
    groups: [Finance]
    excluded: ['{{ event.payload.employee }}', '{{ event.headers["automate-started-by"] }}', nobody-here]
    delegate: true
    outcomes: [{key: approved, name: Pay it}, {key: rejected, name: Refuse}]
    message: '{{ event.payload.employee }} claims {{ event.payload.amount }}'
    context: {Amount: '{{ event.payload.amount }}', Note: '{{ event.payload.note }}', Lines: [1, 2]}
    timeout: 4h
    form: [{name: reason, label: Reason, required: true}]
"""
HOSTILE = "<script>alert(1)</script>\u202e"
LIST = "/admin/automate/approvals/"


@pytest.fixture
def finance(db):
    """The clerk makes the claim, the controller may decide it, the deputy is asked by nobody; only the controller is staff."""
    group = Group.objects.create(name="Finance")
    made = {
        name: get_user_model().objects.create_user(
            name, f"{name}@example.com", "password-of-tests", is_staff=name == "controller"
        )
        for name in ("clerk", "controller", "deputy")
    }
    for name in ("clerk", "controller"):
        made[name].groups.add(group)
    return made


@pytest.fixture
def claim(workflow, sign_in, owner, drain, finance):
    flow = workflow(CLAIM)
    values = {"form-employee": "clerk", "form-amount": "1850.00 EUR", "form-note": HOSTILE}
    assert sign_in(owner).post(reverse("studio:workflow_start", args=[flow.pk]), values).status_code == 303
    drain()
    return Wait.objects.get(kind="approval")


def test_approvers_are_shown_by_their_full_names(claim, sign_in, finance, admin):
    finance["controller"].first_name, finance["controller"].last_name = "Ada", "Byron"
    finance["controller"].save()
    WaitAssignee.objects.create(wait=claim, user=finance["controller"])
    page = Page(sign_in(admin).get(_urls(claim)["page"])).text
    assert "Ada Byron, Finance" in page


def test_a_task_without_an_approver_says_so_and_what_to_do(claim, sign_in, admin):
    Group.objects.filter(name="Finance").delete()
    page = Page(sign_in(admin).get(_urls(claim)["page"])).text
    assert "No approver is assigned" in page and "Reassign the task" in page and "Waiting for ." not in page


def test_tasks_without_an_active_approver_are_handed_over_together(claim, sign_in, operator, finance):
    other = Wait.objects.create(run=claim.run, path="other", kind="approval", data={"name": "Other"})
    WaitAssignee.objects.create(wait=other, user=finance["controller"])
    Group.objects.filter(name="Finance").delete()
    client, url = sign_in(operator), reverse("studio:approvals_hand_over")
    client.post(url, {"from": "", "to": ""})
    assert "Enter a name." in Page(client.get(LIST, {"show": "lost"})).text
    client.post(url, {"from": "", "to": "deputy"})
    assert "1 task handed over to deputy." in Page(client.get(LIST, {"show": "lost"})).text
    asked = [wait.assignees.get(excluded=False).user.username for wait in (claim, other)]
    assert asked == ["deputy", "controller"]


def _urls(wait):
    names = {"page": "approval_page", "delegate": "approval_delegate", "reassign": "approval_reassign"}
    return {name: reverse(f"studio:{url}", args=[wait.pk]) for name, url in names.items()}


ORDER_FORM = """
name: Order form
slug: order-form
triggers: [{kind: form, key: form, slug: order-form, access: %s, inputs: [{name: amount, kind: number}]}]
steps: [{kind: approval, key: ask, assignees: [colleague], timeout: 4h, message: 'Order of {{ event.payload.amount }}'}]
"""


@pytest.mark.parametrize(("access", "asked_by"), [("signed_in", "owner"), ("public", "The workflow")])
def test_a_task_says_who_sent_the_form(workflow, sign_in, owner, colleague, drain, access, asked_by):
    made = workflow(ORDER_FORM % access)
    form = find_form("order-form")
    accept_answer(form, {"amount": "6000"}, key=uuid.uuid4().hex, by=owner)
    drain()
    [row] = rows_of(sign_in(colleague), LIST)
    assert asked_by in row and made.name in row


def test_who_may_reassign_nothing_is_offered_nothing(workflow, sign_in, colleague, owner, drain):
    """A role that may operate workflows, without a workflow that it is for."""
    workflow(ORDER_FORM % "signed_in")
    accept_answer(find_form("order-form"), {"amount": "6000"}, key=uuid.uuid4().hex, by=owner)
    drain()
    colleague.user_permissions.add(
        *Permission.objects.filter(codename__in=["operate_workflow", "view_payload_workflow"])
    )
    client, url = sign_in(colleague), reverse("studio:approvals_hand_over")
    page = Page(client.get(LIST, {"show": "all"}))
    assert "All tasks" not in page.text and not page.all(action=url) and "Order of 6000" in page.text
    assert client.post(url, {"from": "colleague", "to": "owner"}).status_code == 403


def test_handing_over_nothing_is_no_success(claim, sign_in, operator, finance):
    client = sign_in(operator)
    client.post(reverse("studio:approvals_hand_over"), {"from": "deputy", "to": "controller"})
    text = Page(client.get(LIST, {"show": "all"})).text
    assert "Nothing was handed over: there are no such open tasks" in text and "0 tasks" not in text


@pytest.mark.extended
def test_a_claim_is_decided_by_a_substitute_and_never_by_who_makes_it(claim, sign_in, finance, drain):
    urls = _urls(claim)
    clerk, controller, deputy = (sign_in(finance[name]) for name in ("clerk", "controller", "deputy"))
    for client in (clerk, deputy):
        assert "No tasks for you" in Page(client.get(LIST)).text
        assert client.get(urls["page"]).status_code == 404
        assert client.post(urls["page"], {"outcome": "approved", "form-reason": "mine"}).status_code == 404
        assert client.post(urls["delegate"], {"to": "controller"}).status_code == 404

    barred = claim.assignees.filter(excluded=True).values_list("user__username", flat=True)
    assert set(barred) == {"clerk", "owner"}, "whose claim it is, and who started it by hand"
    answer = controller.get(LIST)
    listed = Page(answer)
    assert "clerk claims 1850.00 EUR" in listed.text and "owner" in listed.text, "who started it has asked"
    assert re.findall(r"sidebar-badge[^>]*>\s*(\d+)", answer.content.decode()) == ["1"]
    page = controller.get(urls["page"])
    shown = Page(page)
    assert all(text in shown.text for text in ("Amount", "1850.00 EUR", "Lines", "[1, 2]", "Finance"))
    assert b"<script>alert" not in page.content and "\u202e" not in page.content.decode()
    assert [a["value"] for a in shown.all(name="outcome")] == ["rejected", "approved"]

    for name, reason in (
        ("nobody-here", "No active account"),
        ("clerk", "is excluded from this approval"),
        ("controller", "already"),
    ):
        answer = controller.post(urls["delegate"], {"to": name})
        assert (answer.status_code, reason in Page(answer).text) == (422, True), name
    get_user_model().objects.filter(username="deputy").update(is_active=False)
    assert controller.post(urls["delegate"], {"to": "deputy"}).status_code == 422
    get_user_model().objects.filter(username="deputy").update(is_active=True)
    assert controller.post(urls["delegate"], {"to": "deputy"}).status_code == 303
    entry = AuditEntry.objects.get(verb="approval.delegated")
    assert (entry.actor, entry.changes["from"], entry.changes["to"]) == (
        "controller",
        ["Finance"],
        ["Finance", "deputy"],
    )

    deputy = sign_in(finance["deputy"])
    assert deputy.post(urls["page"], {"outcome": "approved"}).status_code == 422, "the form holds for them too"
    assert deputy.post(urls["page"], {"outcome": "approved", "form-reason": "fine"}).status_code == 303
    assert "Pay it" in Page(deputy.get(LIST, {"show": "decided"})).text
    assert "No decisions yet" in Page(controller.get(LIST, {"show": "decided"})).text
    drain()
    assert ExecutionRun.objects.get().status == "succeeded"
    assert "Decided by deputy: Pay it" in Page(deputy.get(urls["page"])).text


def test_who_is_only_asked_to_decide_signs_in_by_the_same_door(sign_in, finance):
    """Never a dead end: the admin's pages, which do not let them in, lead to their tasks."""
    client, door = sign_in(), reverse("admin:login")
    wrong = client.post(door, {"username": "controller", "password": "no"})
    assert "user name or password is wrong" in Page(wrong).text and "staff" not in Page(wrong).text
    finance["controller"].is_staff = False
    finance["controller"].set_password("password-of-tests")
    finance["controller"].save()
    answer = client.post(
        door, {"username": "controller", "password": "password-of-tests", "next": reverse("admin:index")}
    )
    for _ in range(2):
        answer = client.get(answer.url)
    assert answer.url == LIST and client.get(LIST).status_code == 200


def test_a_step_that_does_not_let_it_be_handed_on(claim, sign_in, finance):
    claim.data["delegate"] = False
    claim.save(update_fields=["data"])
    controller = sign_in(finance["controller"])
    assert not Page(controller.get(_urls(claim)["page"])).all(action=_urls(claim)["delegate"])
    refused = controller.post(_urls(claim)["delegate"], {"to": "deputy"})
    assert refused.status_code == 403 and "cannot delegate this approval" in Page(refused).text


def test_whoever_is_not_asked_any_more_is_told_so(claim, sign_in, finance):
    """Only those whom the page was shown to: it stays unknown to others."""
    url, controller = _urls(claim)["page"], sign_in(finance["controller"])
    [token] = [a["value"] for a in Page(controller.get(url)).all(name="shown")]
    finance["controller"].groups.clear()
    answer = {"outcome": "approved", "form-reason": "late"}
    refused = controller.post(url, {**answer, "shown": token})
    assert refused.status_code == 403 and "no longer an approver" in Page(refused).text
    assert controller.post(url, answer).status_code == 404
    assert sign_in(finance["deputy"]).post(url, {**answer, "shown": token}).status_code == 404
    claim.refresh_from_db()
    assert claim.status == "open" and not AuditEntry.objects.filter(verb="approval.decided").exists()


@pytest.mark.extended
def test_superusers_reassign_and_decide_nothing(claim, sign_in, admin, owner, finance):
    urls, root = _urls(claim), sign_in(admin)
    assert "clerk claims" in Page(root.get(LIST, {"show": "all"})).text
    assert "Finance" in Page(root.get(LIST, {"show": "all"})).text, "who has to decide"
    assert "Every open task has an active approver" in Page(root.get(LIST, {"show": "lost"})).text
    assert "No tasks for you" in Page(sign_in(owner).get(LIST, {"show": "all"})).text
    shown = Page(root.get(urls["page"]))
    assert shown.all(action=urls["reassign"]) and not shown.all(name="outcome")
    assert root.post(urls["page"], {"outcome": "approved", "form-reason": "x"}).status_code == 403
    for name, status in (("nobody-here", 422), ("clerk", 422), ("", 422), ("deputy", 303)):
        assert root.post(urls["reassign"], {"people": name}).status_code == status, name
    assert AuditEntry.objects.get(verb="approval.reassigned").changes["to"] == ["deputy"]
    assert sign_in(finance["controller"]).post(urls["reassign"], {"people": "controller"}).status_code == 404
    assert sign_in(finance["deputy"]).post(urls["reassign"], {"people": "controller"}).status_code == 403
    assert root.post(urls["reassign"], {"people": "Finance"}).status_code == 303
    assert sign_in(finance["controller"]).get(urls["page"]).status_code == 200


@pytest.fixture
def operator(db):
    made = get_user_model().objects.create_user("operator", password="password-of-tests", is_staff=True)
    made.groups.add(Group.objects.get(name="Operators"))
    return made


def test_operators_hand_over_what_a_leaver_had_to_decide(claim, sign_in, operator, owner, finance):
    """One task of the leaver alone, one where others are asked too, one that leaves the successor out."""
    leaver = get_user_model().objects.create_user("leaver", is_active=False)
    waits = [
        Wait.objects.create(run=claim.run, path=f"task{n}", kind="approval", data={"name": f"T{n}"}) for n in range(3)
    ]
    WaitAssignee.objects.bulk_create(WaitAssignee(wait=wait, user=leaver) for wait in waits)
    WaitAssignee.objects.create(wait=waits[1], user=finance["controller"])
    WaitAssignee.objects.create(wait=waits[2], user=finance["deputy"], excluded=True)
    client, url = sign_in(operator), reverse("studio:approvals_hand_over")
    assert Page(client.get(LIST, {"show": "all"})).all(action=url)
    for given, why in (
        ({"from": "nobody-here", "to": "deputy"}, "No account is named"),
        ({"from": "leaver", "to": "nobody-here"}, "No active account"),
        ({"from": "deputy", "to": "deputy"}, "person or group other than the one"),
        ({"from": "leaver", "to": "deputy"}, "2 tasks handed over"),
    ):
        assert client.post(url, given).status_code == 303
        said = Page(client.get(LIST, {"show": "all"})).text
        assert why in said, given
    assert f"Expenses: T2 ({claim.run}): deputy is excluded from this approval" in said
    asked = [sorted(wait.assignees.filter(excluded=False).values_list("user__username", flat=True)) for wait in waits]
    assert asked == [["deputy"], ["controller", "deputy"], ["leaver"]]
    assert AuditEntry.objects.filter(verb="approval.reassigned", actor="operator").count() == 2
    urls = _urls(claim)
    assert Page(client.get(urls["page"])).all(action=urls["reassign"]) and not Page(client.get(urls["page"])).all(
        name="outcome"
    )
    assert client.post(urls["reassign"], {"people": "deputy"}).status_code == 303
    assert sign_in(owner).post(url, {"from": "leaver", "to": "controller"}).status_code == 403
    assert sign_in(finance["deputy"]).post(url, {"from": "leaver", "to": "deputy"}).status_code == 403


@pytest.mark.extended
def test_what_is_due_first_comes_first_and_the_list_is_paged_by_key(claim, sign_in, finance):
    now, run, person = timezone.now(), claim.run, finance["controller"]
    waits = [
        Wait(run=run, path=f"each[{n}]/ask", kind="approval", data={"name": f"Task {n:02}", "message": f"Number {n}"},
             due_at=now + dt.timedelta(minutes=n + 10) if n % 10 else None)
        for n in range(60)
    ]  # fmt: skip
    Wait.objects.bulk_create(waits)
    WaitAssignee.objects.bulk_create([WaitAssignee(wait=wait, user=person) for wait in waits])
    client, names, url, costs = sign_in(person), [], LIST, []
    backwards = ""
    while url:
        with CaptureQueriesContext(connection) as queries:
            page = client.get(url)
        costs.append(len(queries))
        found = page.context["found"]
        names.append([row.name for row in found.rows])
        backwards, url = found.previous, found.following and f"{LIST}{found.following}"
    flat = [name for part in names for name in part]
    timed = [f"Task {n:02}" for n in range(60) if n % 10]
    assert [len(part) for part in names] == [25, 25, 11] and len(set(costs)) <= 2
    assert [name for name in flat if name != "Pay the claim"] == [*timed, *(f"Task {n:02}" for n in range(0, 60, 10))]
    back = client.get(f"{LIST}{backwards}").context["found"]
    assert [row.name for row in back.rows] == names[1] and back.following and back.previous
    late = [row for row in client.get(LIST).context["found"].rows if row.is_overdue]
    assert not late
    Wait.objects.filter(path="each[1]/ask").update(due_at=now - dt.timedelta(hours=2))
    first = client.get(LIST).context["found"].rows[0]
    assert (first.name, first.is_overdue, first.due[:10]) == ("Task 01", True, "Overdue by")
    assert [row.name for row in client.get(LIST, {"q": "number 42"}).context["found"].rows] == ["Task 42"]
    assert "No tasks match" in Page(client.get(LIST, {"q": "\0nothing"})).text
    for nonsense in ("x", "2026_", f"2026-01-01T00:00:00_{claim.pk}", f"2026-13-01T00:00Z_{claim.pk}"):
        assert client.get(LIST, {"after": nonsense, "before": ""}).status_code == 200


PLAIN = """
name: Orders
slug: orders
triggers: [{endpoint: github}]
steps:
  - kind: approval
    key: approval
    assignees: [owner, colleague]
    message: "Order {{ event.payload.no }}?\\nIt is large."
    form:
      - {name: day, kind: date, default: '{{ event.payload.day }}'}
      - {name: amount, kind: number, default: 5}
      - {name: fast, kind: boolean, default: true}
      - {name: level, kind: choice, choices: [low, high], default: '{{ event.payload.level }}'}
    timeout: 4h
  - {key: keep, action: data.set, inputs: {said: '{{ steps.approval.output.remark }}', day: '{{ steps.approval.output.form.day }}'}}
"""


@pytest.fixture
def order(workflow, deliver, drain, colleague):
    made = workflow(PLAIN)
    deliver({"no": "PO-7", "day": "2027-03-01T10:00:00Z", "level": "unknown"})
    drain()
    wait = Wait.objects.get(run__workflow=made)
    return wait


def test_a_form_begins_with_the_values_of_the_run(order, sign_in, owner):
    for address in (_urls(order)["page"], reverse("studio:run_step", args=[order.run_id, "approval"])):
        page = Page(sign_in(owner).get(address))
        [day], [amount], [fast] = (page.all(name=f"form-{name}") for name in ("day", "amount", "fast"))
        assert (day["value"], amount["value"], "checked" in fast) == ("2027-03-01", "5", True)
        assert not [each for each in page.all(selected="") if each.get("value") == "unknown"], "no choice of the field"
    entered = {"form-day": "nonsense", "form-amount": "", "remark": "No hurry", "outcome": "approved"}
    again = Page(sign_in(owner).post(_urls(order)["page"], entered))
    assert again.status == 422 and not again.all(name="form-amount")[0].get("value"), (
        "what was entered, not the default"
    )
    assert "checked" not in again.all(name="form-fast")[0] and "No hurry" in again.text


def test_a_task_is_called_by_its_question_and_decided_with_a_remark(order, sign_in, owner, drain):
    client = sign_in(owner)
    listed = Page(client.get(LIST)).text
    assert "Order PO-7?" in listed and "Approval" in listed
    page = Page(client.get(_urls(order)["page"]))
    assert "It is large." in page.text
    too_long = client.post(_urls(order)["page"], {"outcome": "approved", "remark": "x" * 1001})
    assert too_long.status_code == 422 and "Remark is too long" in Page(too_long).text
    assert client.post(_urls(order)["page"], {"outcome": "approved", "remark": "Only\r\ntoday"}).status_code == 303
    drain()
    run = ExecutionRun.objects.get()
    assert run.steps.get(path="keep").output["said"] == "Only\ntoday"
    assert AuditEntry.objects.get(verb="approval.decided").changes["remark"] == "Only\ntoday"
    assert "today" in Page(client.get(_urls(order)["page"])).text
    assert "today" in Page(client.get(reverse("studio:run_step", args=[run.pk, "approval"]))).text


def test_a_task_links_to_its_run_for_those_who_may_view_it(order, sign_in, owner, colleague, admin):
    run = reverse("admin:automate_core_executionrun_change", args=[order.run_id], query={"step": "approval"})
    urls = _urls(order)
    seen = Page(sign_in(owner).get(urls["page"]))
    assert seen.all(href=run) and not seen.all(action=urls["delegate"]), "the step does not let them delegate"
    assert not Page(sign_in(colleague).get(urls["page"])).all(href=run)
    root = Page(sign_in(admin).get(urls["page"]))
    assert root.all(href=run) and root.all(action=urls["reassign"]) and root.ids["task-menu"]["role"] == "menu"


def test_default_names_are_in_the_language_of_the_reader(order, sign_in, owner):
    Preferences.objects.create(person=owner, language="de")
    client = sign_in(owner)
    Wait.objects.filter(pk=order.pk).update(data={**order.data, "outcomes": [
        {"key": "approved", "name": "Approve"}, {"key": "rejected", "name": "Send back"}]})  # fmt: skip
    run = reverse("admin:automate_core_executionrun_change", args=[order.run_id], query={"step": "approval"})
    for address in (_urls(order)["page"], run):
        text = Page(client.get(address)).text
        assert "Genehmigen" in text and "Send back" in text and "Genehmigung" in text
    workflow = reverse("admin:automate_core_workflow_change", args=[order.run.workflow_id])
    assert "Ablehnen" in Page(client.get(workflow)).text
    translation.activate("en")


@pytest.mark.parametrize("can_send", [True, False])
def test_an_approval_says_when_nobody_is_notified(order, sign_in, owner, settings, can_send):
    backend = "smtp" if can_send else "console"
    settings.MAILERS = {"default": {"BACKEND": f"django.core.mail.backends.{backend}.EmailBackend"}}
    builder = Builder(sign_in(owner), order.run.workflow)
    text = builder.panel("approval").text
    assert ("No email is sent for this approval." in text and "AUTOMATE_SMTP" in text) is not can_send


def test_people_are_suggested_to_those_who_delegate_or_reassign(claim, finance, sign_in, admin, stranger):
    page, names = (reverse(f"studio:approval_{view}", args=[claim.pk]) for view in ("page", "names"))
    assert f'hx-get="{names}"' in sign_in(finance["controller"]).get(page).content.decode()

    def suggested(person, **typed):
        answer = sign_in(person).get(names, typed)
        return re.findall(r'value="([^"]+)"', answer.content.decode()) if answer.status_code == 200 else []

    assert suggested(finance["controller"], to="cle") == ["clerk"], "of a team of one's own"
    assert suggested(finance["controller"], to="own") == [], "not whom the workflow is shared with"
    assert suggested(finance["controller"], people="fin") == ["Finance"]
    assert suggested(admin, people="own") == ["owner"]
    assert sign_in(stranger).get(names, {"to": "cle"}).status_code == 404


def test_tasks_are_told_from_each_other_by_what_their_questions_say():
    assert _summary("Supplier:\nAmount: 7500\n\n Reason: Chairs ") == "Amount: 7500 · Reason: Chairs"
    assert _summary("Supplier:") == "" and len(_summary("long " * 100)) == MOST_SUMMARY
