"""Every page: no script error, no violation of the policy, no sideways scroll, in both themes and on a phone."""

from __future__ import annotations

import itertools

import pytest
from django.contrib.auth.models import Permission
from playwright.sync_api import expect

from automate_connectors.models import Connection
from automate_core.models import ExecutionRun, Wait, WaitAssignee
from tests.e2e.places import APPROVAL
from tests.support.axe import show_theme
from tests.support.workflows import LONG_NAMES

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pages(workflow, deliver, drain, owner, endpoint):
    owner.user_permissions.add(Permission.objects.get(codename="administer_site"))
    made = workflow(LONG_NAMES)
    for title in ("a", "c", "x"):
        deliver({"title": title})
    drain()
    connection = Connection.objects.create(name="Echo", slug="echo", connector="http", owner=owner)
    run = made.runs.latest("id")
    parked = ExecutionRun.objects.create(workflow=made, version=made.published, status="waiting", trace_id="1" * 32)
    asked = Wait.objects.create(run=parked, path="ask", kind="approval", data=APPROVAL)
    WaitAssignee.objects.create(wait=asked, user=owner)
    return {
        "workflows": "/admin/automate_core/workflow/",
        "workflow": f"/admin/automate_core/workflow/{made.pk}/change/",
        "runs": "/admin/automate_core/executionrun/",
        "run": f"/admin/automate_core/executionrun/{run.pk}/change/",
        "events": "/admin/automate_core/event/",
        "event": f"/admin/automate_core/event/{run.event_id}/change/",
        "refused": "/admin/automate/events/rejected/",
        "check": f"/admin/automate/workflows/{made.pk}/check/?event={run.event_id}",
        "endpoints": "/admin/automate_core/webhookendpoint/",
        "endpoint": f"/admin/automate_core/webhookendpoint/{endpoint.pk}/change/",
        "connections": "/admin/automate_connectors/connection/",
        "connection": f"/admin/automate_connectors/connection/{connection.pk}/change/",
        "connect": "/admin/automate_connectors/connection/add/",
        "connect-http": "/admin/automate_connectors/connection/add/?connector=http",
        "share": f"/admin/automate/share/connection/{connection.pk}/",
        "approvals": "/admin/automate/approvals/",
        "approval": f"/admin/automate/approvals/{asked.pk}/",
        "notifications": "/admin/automate/notifications/",
        "notifications of a workflow": f"/admin/automate/workflows/{made.pk}/notifications/",
        "notification rule": f"/admin/automate/workflows/{made.pk}/notifications/new/",
        "secrets": "/admin/automate_governance/storedsecret/",
        "secret": "/admin/automate_governance/storedsecret/add/",
        "plugins": "/admin/automate/plugins/",
    }


@pytest.mark.extended
def test_every_page_is_well(pages, signed_in, site, faults, shot):
    page = signed_in
    sizes = [(1440, 900), (1024, 768), (390, 844)]
    for (width, height), (name, path) in itertools.product(sizes, pages.items()):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(site + path)
        page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
        for theme in ("light", "dark"):
            show_theme(page, theme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"
            assert faults(page) == [], name
            shot(page, f"{name}-{theme}-{width}")


@pytest.mark.extended
def test_what_one_may_not_do_is_not_offered(pages, signed_in, site):
    page = signed_in
    page.goto(site + pages["workflows"])
    sidebar = page.locator("#nav-sidebar")
    for shown in ("Workflows", "Runs", "Events", "Connections", "Secrets", "Webhooks"):
        expect(sidebar.get_by_text(shown, exact=True)).to_be_visible()
    for hidden in ("Audit trail", "Users", "Groups"):
        expect(sidebar.get_by_text(hidden, exact=True)).to_have_count(0)


@pytest.mark.extended
def test_secrets_go_in_and_do_not_come_out(pages, signed_in, site, owner):
    page = signed_in
    page.goto(site + pages["secret"])
    page.get_by_label("Name").fill("slack-token")
    page.get_by_label("Value").fill("xoxb-a-very-secret-token")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#list").get_by_role("link", name="slack-token").click()
    expect(page.get_by_text("database:slack-token")).to_be_visible()
    expect(page.get_by_label("New value")).to_have_value("")
    assert "a-very-secret" not in page.content()


@pytest.mark.extended
def test_a_bad_connection_is_refused_at_its_field(pages, signed_in, site):
    page = signed_in
    page.goto(f"{site}/admin/automate_connectors/connection/add/?connector=http")
    page.locator("#id_name").press_sequentially("Slack")
    expect(page.locator("#id_slug")).to_have_value("slack")
    page.get_by_label("Base URL").fill("nowhere")
    page.get_by_role("button", name="Save", exact=True).click()
    reason = "Base URL must start with https:// or http://."
    expect(page.locator("#id_config_base_url-why")).to_have_text(f"{reason} Step URLs are appended to it")
    expect(page.locator("#form-faults").get_by_text(reason)).to_be_visible()
    assert Connection.objects.count() == 1


@pytest.mark.extended
def test_an_unsigned_endpoint_wears_a_warning(pages, signed_in, site, owner):
    from automate_core.webhooks import endpoints

    endpoints.save_endpoint("open", scheme="unsigned", config={}, secret=None, actor=owner)
    page = signed_in
    page.goto(site + pages["endpoints"])
    badge = page.locator("#list").get_by_text("Unsigned", exact=True)
    expect(badge).to_be_visible()
    assert badge.get_attribute("data-st") == "waiting"


@pytest.mark.extended
def test_a_run_is_run_again_from_its_dialog(pages, signed_in, site):
    page = signed_in
    page.goto(site + pages["run"])
    expect(page.get_by_role("button", name="Cancel run")).to_be_hidden()
    page.get_by_role("button", name="Re-run").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Re-run").click()
    dialog.get_by_role("radio", name="Beginning").check()
    dialog.get_by_role("button", name="Re-run").click()
    expect(page.get_by_text("Re-run of run")).to_be_visible()
    assert ExecutionRun.objects.exclude(retried_from=None).count() == 1
    assert page.evaluate("window.faults") == []


@pytest.mark.extended
def test_a_run_is_cancelled_from_its_dialog(pages, signed_in, site, faults, shot):
    run = ExecutionRun.objects.get(status="waiting")
    page = signed_in
    page.goto(f"{site}/admin/automate_core/executionrun/{run.pk}/change/")
    page.get_by_role("button", name="Cancel run").click()
    dialog = page.get_by_role("dialog", name="Cancel this run?")
    expect(dialog).to_be_visible()
    shot(page, "cancel-run")
    dialog.get_by_role("button", name="Keep running").click()
    expect(dialog).to_be_hidden()
    run.refresh_from_db()
    assert run.status == "waiting", "nothing is done before the dialog is answered"
    page.get_by_role("button", name="Cancel run").click()
    dialog.get_by_label("Reason").fill("Wrong customer")
    dialog.get_by_role("button", name="Cancel run").click()
    expect(page.locator("#run-error")).to_have_text("Cancelled by owner: Wrong customer")
    expect(page.locator(".da-note:visible")).to_have_count(1)
    expect(page.get_by_role("button", name="Cancel run")).to_be_hidden()
    shot(page, "cancelled-run")
    assert faults(page) == []
