"""The pages on personal data: search, dry run, reason, erasure and its result."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.urls import reverse

from automate_core.models import Erasure, Event, ExecutionRun
from automate_core.worker.maintenance import MaintenanceThread
from automate_core.worker.maintenance_tasks import registered_tasks
from automate_governance.models import AuditEntry
from automate_operations.erasure import erasing
from tests.support.pages import tidy

pytestmark = pytest.mark.django_db(transaction=True)

ADA = "ada@example.com"
ORDERS = """
name: Orders
slug: orders
subject: '{{ event.payload.customer }}'
triggers: [{endpoint: github}]
steps: [{key: keep, action: data.set, inputs: {mail: '{{ event.payload.customer }}'}}]
"""


@pytest.fixture
def officer(stranger):
    """Somebody who may erase, and has no other permission on the workflow."""
    stranger.user_permissions.add(Permission.objects.get(codename="erase_site"))
    return stranger


@pytest.fixture
def orders(workflow, deliver, drain):
    flow = workflow(ORDERS)
    deliver({"customer": ADA})
    drain()
    return flow


@pytest.fixture
def work():
    """Do what a worker does for searches and erasures, until nothing is due."""

    def go():
        tasks = tuple(task for task in registered_tasks() if task.name == "erasures")
        for _ in range(300):
            MaintenanceThread(tasks).run_due()
            if not Erasure.objects.filter(status__in=["searching", "erasing"]).exists():
                return

    return go


def test_a_search_a_dry_run_a_reason_and_the_result(orders, officer, owner, admin, sign_in, work):
    client, start = sign_in(officer), reverse("studio:personal_data")
    sent = client.post(start, {"texts": f"{ADA}\nOrder 7777"})
    assert sent.status_code == 303
    page = sent["Location"]
    made = Erasure.objects.get()
    assert "Searching" in client.get(page).content.decode()
    progress = reverse("studio:erasure_progress", args=[made.pk])
    assert "Nothing is changed" in tidy(client.get(progress).content.decode())
    work()
    assert client.get(progress).headers["HX-Refresh"] == "true"
    shown = tidy(client.get(page).content.decode())
    assert "1 event with its runs" in shown and "Backups made before" in shown and ADA in shown
    event = Event.objects.get()
    assert reverse("admin:automate_core_event_change", args=[event.pk]) in shown
    assert event.payload == {"customer": ADA}
    refused = client.post(page, {"reason": f"Asked by {ADA}"})
    assert refused.status_code == 422 and "Leave the searched texts out" in refused.content.decode()
    assert client.post(page, {"reason": ""}).status_code == 422
    assert client.post(page, {"reason": "Request 12"}).status_code == 303
    assert client.post(page, {"reason": "Request 12"}).status_code == 422, "once"
    work()
    shown = tidy(client.get(page).content.decode())
    assert "Erased: 1 event, 1 run" in shown and "Reason: Request 12" in shown
    assert ADA not in client.get(start).content.decode() and "Request 12" in client.get(start).content.decode()
    event.refresh_from_db()
    assert event.payload is None
    entry = AuditEntry.objects.get(verb="erasure.started")
    assert entry.actor == "stranger" and entry.source == "browser"
    # what was erased says so
    browser = sign_in(owner)
    shown = tidy(browser.get(reverse("admin:automate_core_event_change", args=[event.pk])).content.decode())
    assert "by stranger, for a request about personal data" in shown and "retention policy" not in shown
    run = ExecutionRun.objects.get()
    shown = tidy(browser.get(reverse("admin:automate_core_executionrun_change", args=[run.pk])).content.decode())
    assert "by stranger, for a request about personal data" in shown
    for name in ("admin:automate_core_executionrun_changelist", "admin:automate_core_event_changelist"):
        assert browser.get(reverse(name)).status_code == 200
    assert browser.get(reverse("studio:run_step", args=[run.pk, "keep"])).status_code == 200
    assert sign_in(admin).get(reverse("admin:automate_governance_auditentry_changelist")).status_code == 200


@pytest.mark.parametrize("texts", ["", "ab", "\n\n", "x" * 201, "\n".join(f"text {n}" for n in range(21))])
def test_bad_texts_are_refused_at_the_field(officer, sign_in, texts):
    answer = sign_in(officer).post(reverse("studio:personal_data"), {"texts": texts})
    assert answer.status_code == 422 and 'aria-invalid="true"' in answer.content.decode()
    assert not Erasure.objects.exists()


def test_only_who_may_erase_gets_there_and_is_led_there(orders, officer, owner, colleague, admin, sign_in):
    start = reverse("studio:personal_data")
    made = erasing.create_search(erasing.SearchedTexts((ADA,)), by=officer)
    page = reverse("studio:erasure", args=[made.pk])
    for person in (owner, colleague):
        client = sign_in(person)
        assert [client.get(url).status_code for url in (start, page)] == [403, 403]
        assert client.post(start, {"texts": ADA}).status_code == client.post(page, {"reason": "x"}).status_code == 403
        assert client.post(reverse("studio:erasure_stop", args=[made.pk])).status_code == 403
        assert start not in client.get(reverse("admin:automate_core_executionrun_changelist")).content.decode()
    assert sign_in(None).get(start).status_code == 302
    client = sign_in(admin)
    assert start in client.get(reverse("studio:retention")).content.decode()
    held = client.get(reverse("admin:automate_core_event_changelist"), {"held": ADA}).content.decode()
    assert "To erase what holds a text" in held
    assert Erasure.objects.count() == 1


def test_a_search_is_discarded_and_forgotten(orders, officer, sign_in, work):
    client = sign_in(officer)
    page = client.post(reverse("studio:personal_data"), {"texts": ADA})["Location"]
    work()
    made = Erasure.objects.get()
    assert client.post(reverse("studio:erasure_stop", args=[made.pk])).status_code == 303
    made.refresh_from_db()
    assert (made.status, made.texts, made.items.count()) == ("stopped", [], 0)
    assert ADA not in client.get(page).content.decode()
    assert client.post(page, {"reason": "Request 12"}).status_code == 422
    for _ in range(erasing.MOST_OPEN):
        client.post(reverse("studio:personal_data"), {"texts": ADA})
    assert client.post(reverse("studio:personal_data"), {"texts": ADA}).status_code == 422


def test_a_dry_run_of_the_command_is_not_listed_as_stopped(orders, officer, sign_in, capsys):
    call_command("automate_erase", ADA)
    client, start = sign_in(officer), reverse("studio:personal_data")
    for address in (start, reverse("studio:erasure", args=[Erasure.objects.get().pk])):
        shown = tidy(client.get(address).content.decode())
        assert "Searched, nothing erased" in shown and "Stopped" not in shown
