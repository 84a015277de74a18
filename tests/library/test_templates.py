"""Every template is used by the gallery's button, published, and run on its sample to the end that it states."""

from __future__ import annotations

import json
import re

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from automate_authoring import workflows
from automate_authoring.definitions import validation, yaml_files
from automate_authoring.drafts import commands
from automate_authoring.library import files
from automate_core.database import now
from automate_core.models import ExecutionRun, OutboxJob, Schedule, StepRun, Wait, Workflow
from automate_core.triggers import schedules
from automate_core.webhooks.schemes.registry import SCHEMES
from automate_governance.models import AuditEntry
from tests.conftest import ROOT, SECRET
from tests.support.clock import shift_clock
from tests.support.matrix import representatives
from tests.support.pages import Page
from tests.support.walks import settle

pytestmark = pytest.mark.django_db(transaction=True)

TEMPLATES = files.installed_templates()
SAID, ASKED = "POST /chat.postMessage", "POST /chat/completions"
#: what reaches the outside on the sample: requests in any order, and the recipients of mail
OUTSIDE = {
    "access-request": (
        ["PUT /groups/billing-readers/members/ada%40example.com", "DELETE /groups/billing-readers/members/ada%40example.com"],
        ["ada@example.com"] * 2,
    ),
    "data-erasure-request": (["GET /people/ada%40example.com", "DELETE /people/ada%40example.com"], ["ada@example.com"]),
    "expense-approval": (["POST /payments"], ["ada@example.com"]),
    "failed-payment-follow-up": (["GET /v1/invoices/in_1PgafmB7WZ01zgkWqGdkSQ", SAID], ["jenny@example.com"]),
    "form-response-to-team": ([], ["ada@example.com", "team@example.com"]),
    "github-issue-triage": ([ASKED, "POST /repos/acme/payments-api/issues/1347/labels", SAID], []),
    "lead-enrichment": (["GET /companies", ASKED, "POST /leads", SAID], []),
    "leaver-checklist": (["POST /people/ada%40example.com/disable", SAID], []),
    "new-account-welcome": ([SAID], ["ada@example.com"]),
    "nightly-csv-import": (["GET /exports/items.csv", "PUT /items/HD-1", "PUT /items/BAD", "PUT /items/KB-7", SAID], []),
    "order-fraud-check": (["PUT /orders/820982911946154508.json"], []),
    "order-status-in-slack": (["GET /orders/1001", SAID], []),
    "orders-to-erp": (["POST /orders"], []),
    "overdue-invoices-digest": ([], ["bo@example.com", "eve@example.com"]),
    "release-notes-from-pushes": (["POST /notes", "POST /notes", SAID], []),
    "support-request-triage": ([ASKED, ASKED, SAID], ["jon@example.com"]),
    "website-check": (["GET /health"] * 3 + ["GET /search/issues", "POST /repos/acme/website/issues", SAID], []),
    "weekly-sales-report": ([], ["sales@example.com"]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _forms_take_quick_answers(settings):
    settings.AUTOMATE_FORM_SECONDS = 0


def test_there_are_at_least_twelve_and_all_files_are_templates():
    assert len(TEMPLATES) >= 12 and files.rejected_files() == ()
    assert set(OUTSIDE) == {slug for slug, template in TEMPLATES.items() if template.app == "automate_authoring"}
    assert {template.category for template in TEMPLATES.values()} <= set(files.CATEGORIES)


@pytest.mark.parametrize("slug", representatives(sorted(OUTSIDE), every=10))
def test_a_template_runs_on_its_sample_to_the_end_it_states(slug, provide, world, owner, sign_in, drain, later):
    template = TEMPLATES[slug]
    provide(template)
    assert validation.find_problems(template.definition) == []
    client = sign_in(owner)
    workflow = _use(client, template)
    assert [problem for problem in commands.load_state(workflow).problems if problem.level == "error"] == []
    workflows.publish(workflow, author=owner)
    _start(template, workflow, client)
    run = _to_the_end(client, drain, later)
    assert run.status == template.sample.ends, run.error
    done = StepRun.objects.filter(run=run, status="succeeded").values_list("path", flat=True)
    reached = {re.sub(r"\[\d+\]", "", path).rpartition("/")[2] for path in done}
    assert set(template.sample.reaches) <= reached
    requests, mails = OUTSIDE[slug]
    assert sorted(f"{asked.method} {asked.path}" for asked in world.asked) == sorted(requests)
    assert sorted(to for mail in world.mail.received for to in mail.recipients) == mails


def _use(client, template):
    answer = client.post(reverse("studio:template", args=[template.slug]))
    assert answer.status_code == 303, answer.content
    workflow = Workflow.objects.get()
    assert answer["Location"] == reverse("studio:builder", args=[workflow.pk])
    assert AuditEntry.objects.get(verb="workflow.template_used").changes == {"template": template.slug}
    page = client.get(answer["Location"]).content.decode()
    assert "Draft created from the template" in page and "set up:" not in page
    return workflow


def _start(template, workflow, client):
    trigger = template.definition.triggers[0]
    match str(trigger.__struct_config__.tag):
        case "webhook":
            assert _deliver(template, trigger.endpoint).status_code in {200, 202}
        case "schedule":
            _come_due()
        case "manual":
            if "username" in template.sample.payload:
                User.objects.create_user(template.sample.payload["username"], "ada@example.com")
            fields = {f"form-{name}": value for name, value in template.sample.payload.items()}
            assert client.post(reverse("studio:workflow_start", args=[workflow.pk]), fields).status_code == 303
        case "form":
            path = reverse("automate_forms:form", args=[trigger.slug])
            page = client.get(path)
            [token] = [each["value"] for each in Page(page).all(name="token")]
            fields = {f"form-{name}": value for name, value in template.sample.payload.items()}
            assert client.post(path, {**fields, "token": token}).status_code == 303
        case "model":
            with transaction.atomic():
                User.objects.create(**template.sample.payload["after"])


def _come_due():
    """Fire the schedule's next time, and let what it made be as old as now."""
    shift_clock((Schedule.objects.get().next_at - now()).total_seconds() + 1)
    schedules.fire_due()
    shift_clock(0)
    OutboxJob.objects.update(available_at=now())


def _deliver(template, endpoint):
    scheme = template.needs.endpoints[endpoint].scheme
    body = json.dumps(template.sample.payload).encode()
    rules = SCHEMES[scheme]({"delivery_header": "X-Delivery"} if scheme in {"hmac", "bearer"} else {})
    headers = rules.sign(SECRET, body, event_type=template.sample.type, delivery="one")
    return Client().post(f"/hooks/{endpoint}/", body, content_type="application/json", headers=headers)


def _to_the_end(client, drain, later):
    """Work, approve what is asked, and let time pass, until the run has ended."""
    for _ in range(12):
        settle(drain)
        run = ExecutionRun.objects.get()
        if run.status in {"succeeded", "failed", "cancelled"}:
            return run
        asked = Wait.objects.filter(status="open", kind="approval").first()
        if asked:
            decided = client.post(reverse("studio:approval_page", args=[asked.pk]), {"outcome": "approved"})
            assert decided.status_code == 303, decided.content
        else:
            later(400 * 86_400)
    raise AssertionError(f"the run is still {run.status}")


# --- what single templates come to ------------------------------------------------------------------------------------


def _ran(slug, provide, owner, sign_in, drain, later):
    template = TEMPLATES[slug]
    provide(template)
    client = sign_in(owner)
    workflow = _use(client, template)
    workflows.publish(workflow, author=owner)
    _start(template, workflow, client)
    return _to_the_end(client, drain, later)


@pytest.mark.extended
def test_the_digest_has_each_owners_invoices_and_says_when_there_are_none(provide, world, owner, sign_in, drain, later):
    _ran("overdue-invoices-digest", provide, owner, sign_in, drain, later)
    first = next(mail.message for mail in world.mail.received if mail.recipients == ["bo@example.com"])
    text = first.get_content()
    assert first["Subject"] == "2 invoices are overdue" and "R-1  Acme" in text and "R-2  Bolt" in text
    assert "R-3" not in text
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM invoices")
    ExecutionRun.objects.all().delete()
    _come_due()
    settle(drain)
    assert ExecutionRun.objects.get().status == "succeeded" and len(world.mail.received) == 2


def test_the_report_is_a_file_with_the_largest_customer_first(provide, world, owner, sign_in, drain, later):
    _ran("weekly-sales-report", provide, owner, sign_in, drain, later)
    [attached] = world.mail.received[0].message.iter_attachments()
    rows = attached.get_content().split()
    assert (
        rows[0] == "customer,orders,revenue" and rows[1].startswith("Bolt,1,90.5") and rows[2].startswith("Acme,2,50")
    )


def test_the_import_counts_what_failed(provide, world, owner, sign_in, drain, later):
    _ran("nightly-csv-import", provide, owner, sign_in, drain, later)
    said = next(asked.json for asked in world.asked if asked.path == "/chat.postMessage")
    assert said["text"] == "3 rows imported, 1 failed."


@pytest.mark.extended
def test_erasing_leaves_other_people(provide, world, owner, sign_in, drain, later):
    _ran("data-erasure-request", provide, owner, sign_in, drain, later)
    with connection.cursor() as cursor:
        cursor.execute("SELECT email FROM contacts")
        assert cursor.fetchall() == [("bo@example.com",)]


@pytest.mark.extended
def test_the_leavers_account_is_closed(provide, world, owner, sign_in, drain, later):
    _ran("leaver-checklist", provide, owner, sign_in, drain, later)
    assert User.objects.get(username="ada").is_active is False


def test_an_order_of_a_known_customer_is_no_risk(provide, world, owner, sign_in, drain, later):
    template = TEMPLATES["order-fraud-check"]
    provide(template)
    workflows.publish(_use(sign_in(owner), template), author=owner)
    payload = {**template.sample.payload, "customer": {"id": 1, "orders_count": 9}}
    headers = SCHEMES["shopify"]({}).sign(
        SECRET, body := json.dumps(payload).encode(), event_type="orders/create", delivery="two"
    )
    Client().post("/hooks/shopify/", body, content_type="application/json", headers=headers)
    settle(drain)
    assert ExecutionRun.objects.get().status == "succeeded" and not Wait.objects.exists() and not world.asked


def test_a_refused_order_is_told_once_and_fails(provide, world, owner, sign_in, drain, later):
    usual = world.answer
    world.answer = lambda asked: (422, {"error": "no such SKU"}, {}) if asked.path == "/orders" else usual(asked)
    run = _ran("orders-to-erp", provide, owner, sign_in, drain, later)
    assert run.status == "failed"
    assert [asked.path for asked in world.asked] == ["/orders", "/chat.postMessage"]
    assert "A-1001 (2 x HD-1, 1 x KB-7) was rejected" in world.asked[1].json["text"]


# --- the document -----------------------------------------------------------------------------------------------------


def test_the_page_lists_the_templates_as_they_are():
    text = (ROOT / "docs" / "workflow-templates.md").read_text(encoding="utf-8")
    table = text.partition("## Built-in templates")[2].partition("\n## ")[0]
    listed = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", table, re.MULTILINE))
    assert listed == {slug: _row(TEMPLATES[slug]) for slug in OUTSIDE}


def _row(template):
    connectors = sorted(set(template.connectors.values()))
    schemes = [f"webhook {endpoint.scheme}" for endpoint in template.needs.endpoints.values()]
    groups = [
        f"group {template.definition.vars[name]}" for name, each in template.settings.items() if each.kind == "group"
    ]
    needed = ", ".join([*connectors, *schemes, *(f"model {label}" for label in template.needs.models), *groups])
    return f"{files.CATEGORIES[template.category]} | {template.summary} | {needed}"


def test_the_example_of_the_page_is_a_template():
    text = (ROOT / "docs" / "workflow-templates.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1]
    template = files.read_template(example)
    assert validation.find_problems(template.definition) == []
    assert yaml_files.read_workflow(yaml_files.write_workflow(template.definition)) == template.definition
