"""Workflows over several services, built in a browser with the palette, published and run against local servers."""

from __future__ import annotations

import base64
import datetime as dt
import email
import email.policy
import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import openpyxl
import psycopg
import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection as database
from playwright.sync_api import Locator, Page, expect

from automate_connectors.models import Connection
from automate_core.database import now
from automate_core.models import ExecutionRun, PollState, Schedule, StepRun, Workflow
from automate_core.triggers import model_signals
from automate_governance.models import StoredSecret
from tests.support.feeds import feed_document
from tests.support.matrix import representatives
from tests.support.processes import wait_for
from tests.support.relay import Relay
from tests.support.smtp import MailServer

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class Formula:
    """An expression for a field that has another editor for values."""

    source: str


@dataclass(frozen=True)
class Wanted:
    """A step: what is typed into the palette, the offer that is chosen, its key, and what is filled in, by label."""

    query: str
    offer: str
    key: str
    connection: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)


STEPS = {
    "webhook, HubSpot, Gmail": (
        Wanted("create contact", "HubSpot: Create contact", "create_contact", "hubspot", {
            "Email address": "{{ event.payload.email }}", "First name": "{{ event.payload.name }}",
        }),
        Wanted("gmail send", "Gmail: Send email", "send_email", "gmail", {
            "To": "{{ event.payload.email }}", "Subject": "Welcome {{ event.payload.name }}",
            "Text": "You are number {{ steps.create_contact.output.id }}.",
        }),
    ),
    "form, Google Sheets, Slack": (
        Wanted("add row to sheet", "Google Sheets: Append row", "append_row", "google_sheets", {
            "Spreadsheet": "1BxiMVs0", "Sheet": "Orders", "Values": ["{{ event.payload.item }}", "{{ event.payload.count }}"],
        }),
        Wanted("slack message", "Slack: Post message", "post_message", "slack", {
            "Channel": "#orders", "Text": "{{ event.payload.item }} is in {{ steps.append_row.output.updates.updatedRange }}",
        }),
    ),
    "RSS, Telegram": (
        Wanted("write to log", "Data: Write to log", "log", "", {"Message": "{{ event.payload.title }}"}),
        Wanted("telegram", "Telegram: Send message", "send_message", "telegram", {
            "Chat": "@news", "Text": "New: {{ event.payload.title }}",
        }),
    ),
    "schedule, SQL, Excel, email": (
        Wanted("query", "SQL: Query rows", "query", "sql", {"SQL": "SELECT username, email FROM auth_user ORDER BY username"}),
        Wanted("write excel", "Data: Write Excel file", "write_excel", "", {
            "File name": "people.xlsx", "Items": Formula("{{ steps.query.output.rows }}"),
        }),
        Wanted("email", "Email: Send email", "send", "email", {
            "To": "boss@example.com", "Subject": "People", "Text": "See the file.",
            "Attachments": ["{{ steps.write_excel.output.file }}"],
        }),
    ),
    "model, Jira, Teams": (
        Wanted("jira issue", "Jira: Create issue", "create_issue", "jira", {
            "Project": "ED", "Issue type": "10001", "Summary": "Set up {{ event.payload.after.name }}",
        }),
        Wanted("teams message", "Microsoft Teams: Send channel message", "send_channel_message", "microsoft_teams", {
            "Team": "13be6971", "Channel": "19:09fc", "Text": "{{ steps.create_issue.output.key }} is open",
        }),
    ),
}  # fmt: skip
ANSWERS = {
    "/hubspot/crm/v3/objects/contacts": (201, {"id": "512", "properties": {"email": "ada@example.com"}}),
    "/gmail/gmail/v1/users/me/messages/send": (200, {"id": "193a4f2c", "threadId": "193a4f2c", "labelIds": ["SENT"]}),
    "/google_sheets/v4/spreadsheets/1BxiMVs0/values/'Orders'!A1:append": (
        200,
        {"updates": {"updatedRange": "Orders!A8:B8"}},
    ),
    "/slack/chat.postMessage": (
        200,
        {"ok": True, "channel": "C1", "ts": "1764100000.000100", "message": {"text": "x"}},
    ),
    "/telegram/bots3cret-of-theirs/sendMessage": (200, {"ok": True, "result": {"message_id": 17}}),
    "/jira/issue": (201, {"id": "10002", "key": "ED-1", "self": "x"}),
    "/microsoft_teams/teams/13be6971/channels/19%3A09fc/messages": (201, {"id": "1616990032035"}),
}
SERVICES = {
    "hubspot": {}, "gmail": {}, "google_sheets": {}, "slack": {}, "telegram": {}, "microsoft_teams": {},
    "jira": {"site": "acme", "email": "ada@example.com"},
}  # fmt: skip


@pytest.fixture
def environment(environment, request):
    """The site's. Where a model starts the workflow, it has settings of its own."""
    if "model" not in request.node.callspec.id:
        return environment
    return {**environment, "DJANGO_SETTINGS_MODULE": "tests.e2e.host_settings"}


@pytest.fixture
def mail(sink):
    """A mail server that the site may reach."""
    server = MailServer()
    sink.host = f"{sink.host},127.0.0.1:{server.port}"
    yield server
    server.close()


@pytest.fixture
def reader(sink):
    """A role that may read the people of the site, by TCP; gives the port."""
    url = os.environ["DATABASE_URL"]
    relay = Relay(parse_qs(urlsplit(url).query)["host"][0])
    sink.host = f"{sink.host},127.0.0.1:{relay.port}"
    with database.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS reader_of_people")
        cursor.execute("CREATE ROLE reader_of_people LOGIN")
        cursor.execute("GRANT SELECT ON auth_user TO reader_of_people")
    yield relay.port
    relay.close()
    with psycopg.connect(url, autocommit=True, dbname=database.settings_dict["NAME"]) as superuser:
        superuser.execute("DROP OWNED BY reader_of_people")
        superuser.execute("DROP ROLE reader_of_people")


@pytest.fixture
def connections(owner, sink, mail, reader):
    """A connection of the owner to each service."""
    secret = StoredSecret(name="theirs", owner=owner)
    secret.put("s3cret-of-theirs")
    secret.save()
    configs = {
        code: {"token": "database:theirs", "base_url": f"{sink.url}/{code}", **more} for code, more in SERVICES.items()
    }
    configs["email"] = {"host": "127.0.0.1", "port": mail.port, "security": "none", "from_address": "shop@example.com"}
    configs["sql"] = {
        "host": "127.0.0.1", "port": reader, "database": database.settings_dict["NAME"], "username": "reader_of_people",
        "tls": "disable",
    }  # fmt: skip
    for code, config in configs.items():
        made = Connection(name=code, slug=code.replace("_", "-"), connector=code, owner=owner, config=config)
        made.full_clean()
        made.save()


# --- building ---------------------------------------------------------------------------------------------------------


def input_of(page: Page, label: str) -> Locator:
    name = re.compile(rf"^{label}( required)?$")
    panel = page.locator("#inspector")
    return panel.get_by_role("textbox", name=name).or_(panel.get_by_role("combobox", name=name)).first


def fill_in(page: Page, label: str, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            page.get_by_role("button", name=f"Add to {label}").click()
            page.keyboard.type(item)
    elif isinstance(value, Formula):
        modes = page.get_by_role("group", name=f"{label}: value or expression")
        modes.get_by_role("button", name="Expression").click()
        input_of(page, label).fill(value.source)
    else:
        input_of(page, label).fill(value)


def add_step(page: Page, index: int, wanted: Wanted) -> None:
    """Look for the step in the palette, choose it and fill it in."""
    page.locator(f"button[data-insert='parent=&slot=&index={index}']").click()
    expect(page.get_by_role("combobox", name="Search steps")).to_be_focused()
    page.keyboard.type(wanted.query)
    page.locator(f'#palette-found [role=option][data-name="{wanted.offer.lower()}"]').click()
    expect(page.locator(f"#card-{wanted.key}")).to_be_visible()
    if wanted.connection:
        page.get_by_label("Connection", exact=True).select_option(wanted.connection.replace("_", "-"))
    more = page.locator("#inspector").get_by_text("More options")
    if more.count():
        more.click()
    for label, value in wanted.inputs.items():
        fill_in(page, label, value)
    page.keyboard.press("Tab")
    expect(page.locator("#saved")).to_have_text("Saved")


def publish(page: Page, site: str, made: Workflow) -> None:
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/review/")
    page.get_by_role("button", name="Publish v1").click()
    wait_for(lambda: made.versions.exists())


# --- what starts them -------------------------------------------------------------------------------------------------


def add_trigger(page: Page, button: str) -> Locator:
    page.locator("#card-trigger").click()
    page.get_by_role("button", name=button, exact=True).click()
    trigger = page.locator("[id^=trigger-].da-trigger")
    expect(trigger).to_be_visible()
    return trigger


def saved(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.locator("#saved")).to_have_text("Saved")


def by_webhook(page: Page, site: str, deliver: Any, sink: Any) -> Callable[[], None]:
    trigger = add_trigger(page, "Webhook")
    trigger.locator("select[name=endpoint]").select_option("github")
    saved(page)
    return lambda: deliver({"email": "ada@example.com", "name": "Ada"})


def by_form(page: Page, site: str, deliver: Any, sink: Any) -> Callable[[], None]:
    trigger = add_trigger(page, "Form")
    for name in ("item", "count"):
        trigger.get_by_role("button", name="Add to Fields").click()
        trigger.get_by_label("Name").last.fill(name)
        trigger.get_by_label("Label").last.fill(name.title())
    saved(page)

    def answer() -> None:
        page.goto(f"{site}/forms/orders/")
        page.get_by_label("Item").fill("Anvil")
        page.get_by_label("Count").fill("3")
        page.wait_for_timeout(2_100)  # nobody is quicker
        page.get_by_role("button", name="Submit").click()

    return answer


def by_feed(page: Page, site: str, deliver: Any, sink: Any) -> Callable[[], None]:
    trigger = add_trigger(page, "RSS: New item")
    trigger.get_by_label("Feed URL").fill(f"{sink.url}/feed.xml")
    saved(page)

    def add_item() -> None:
        wait_for(lambda: PollState.objects.filter(has_baseline=True).exists())
        sink.items.append("2")
        PollState.objects.update(next_at=now())

    return add_item


def by_schedule(page: Page, site: str, deliver: Any, sink: Any) -> Callable[[], None]:
    trigger = add_trigger(page, "Schedule")
    trigger.get_by_label("Repeats").select_option(label="Weekly")
    saved(page)
    return lambda: Schedule.objects.update(next_at=now() - dt.timedelta(days=8)) and None  # its last time was missed


def by_model(page: Page, site: str, deliver: Any, sink: Any) -> Callable[[], None]:
    trigger = add_trigger(page, "Model change")
    trigger.locator("select[name=model]").select_option("auth.group")
    saved(page)
    return lambda: Group.objects.create(name="Buyers") and None


STARTS = {
    "webhook": by_webhook,
    "form": by_form,
    "RSS": by_feed,
    "schedule": by_schedule,
    "model": by_model,
}


@pytest.fixture
def watched_groups(owner, settings):
    """Groups are watched in this process, as in the site's."""
    owner.user_permissions.add(Permission.objects.get(codename="view_group"))
    settings.AUTOMATE_MODEL_TRIGGERS = {"auth.Group": {"fields": ["name"]}}
    model_signals.connect_model_signals()
    yield
    model_signals.disconnect_model_signals()


@pytest.mark.extended
@pytest.mark.parametrize("services", representatives(STEPS))
def test_a_workflow_over_services_is_built_and_runs(
    services, connections, endpoint, watched_groups, sink, mail, signed_in, site, deliver, faults, shot
):
    sink.items = ["1"]
    sink.answer = lambda number, path: answer(sink, path)
    page = signed_in
    page.goto(f"{site}/admin/automate/workflows/new/")
    page.get_by_label("Name required", exact=True).fill("Orders")
    page.get_by_role("button", name="Create workflow").click()
    page.wait_for_url("**/builder/**")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    start = STARTS[services.partition(",")[0]](page, site, deliver, sink)
    for index, wanted in enumerate(STEPS[services]):
        add_step(page, index, wanted)
    shot(page, f"services-{services}")
    expect(page.locator("#problem-count")).to_have_text("No problems")
    made = Workflow.objects.get()
    publish(page, site, made)
    start()
    run = wait_for(lambda: ExecutionRun.objects.filter(workflow=made, status__in=["succeeded", "failed"]).first())
    assert run.status == "succeeded", StepRun.objects.filter(run=run).values_list("path", "status", "error")
    CHECKS[services](sink, mail)
    assert faults(page) == []


def answer(sink: Any, path: str) -> tuple[int, Any, dict[str, str]]:
    """What the services answer."""
    if path == "/feed.xml":
        return 200, feed_document(sink.items), {"Content-Type": "application/rss+xml"}
    status, body = ANSWERS.get(path.partition("?")[0], (404, {"path": path}))
    return status, body, {}


# --- what arrived -----------------------------------------------------------------------------------------------------


def asked(sink: Any) -> list[tuple[str, Any]]:
    """The calls of services, without those for choices in the builder."""
    return [(path.partition("?")[0], body) for path, _, body in sink.calls if path.partition("?")[0] in ANSWERS]


def check_leads(sink: Any, mail: MailServer) -> None:
    (contacts, contact), (messages, message) = asked(sink)
    assert contacts.startswith("/hubspot") and messages.startswith("/gmail")
    assert contact == {"properties": {"email": "ada@example.com", "firstname": "Ada"}}
    sent = email.message_from_bytes(base64.urlsafe_b64decode(message["raw"]), policy=email.policy.default)
    assert (sent["To"], sent["Subject"]) == ("ada@example.com", "Welcome Ada")
    assert sent.get_content().strip() == "You are number 512."
    assert {headers["authorization"] for headers in sink.headers} == {"Bearer s3cret-of-theirs"}


def check_orders(sink: Any, mail: MailServer) -> None:
    (rows, row), (messages, message) = asked(sink)
    assert rows.startswith("/google_sheets") and row["values"] == [["Anvil", "3"]]
    assert messages.startswith("/slack")
    assert message == {"channel": "#orders", "text": "Anvil is in Orders!A8:B8"}


def check_news(sink: Any, mail: MailServer) -> None:
    [(_, message)] = asked(sink)
    assert message == {"chat_id": "@news", "text": "New: Item 2"}


def check_report(sink: Any, mail: MailServer) -> None:
    [got] = mail.received
    assert got.recipients == ["boss@example.com"] and got.message["Subject"] == "People"
    [attached] = got.message.iter_attachments()
    sheet = openpyxl.load_workbook(io.BytesIO(attached.get_content())).active
    assert attached.get_filename() == "people.xlsx"
    assert [cell.value for cell in sheet[1]] == ["username", "email"]
    assert "owner" in {row[0].value for row in sheet}


def check_groups(sink: Any, mail: MailServer) -> None:
    (issues, issue), (_, message) = asked(sink)
    assert issues == "/jira/issue"
    expected = {"project": {"key": "ED"}, "issuetype": {"id": "10001"}, "summary": "Set up Buyers"}
    assert issue == {"fields": expected}
    assert message["body"] == {"content": "ED-1 is open", "contentType": "text"}


CHECKS = dict(zip(STEPS, (check_leads, check_orders, check_news, check_report, check_groups), strict=True))
