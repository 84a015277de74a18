"""The main job in a browser: a delivery becomes a finished run before one's eyes."""

from __future__ import annotations

import json
import threading
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from automate_core.models import ExecutionRun
from automate_core.webhooks.schemes import GitHubScheme
from tests.conftest import SECRET
from tests.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SLOW = """
name: Slow
slug: slow
triggers: [{{endpoint: github}}]
steps:
  - {{key: first, name: First, action: data.set, inputs: {{title: '{{{{ event.payload.title }}}}'}}}}
  - {{key: call, name: Call the sink, action: http.request, inputs: {{method: POST, url: '{url}/x'}}, retry: {{attempts: 3, base: 1, factor: 1}}}}
  - kind: branch
    key: route
    name: Route
    arms: [{{key: good, name: Good, when: {{'==': [{{var: steps.call.output.status}}, 200]}}, steps: [{{key: done, name: Done, action: data.log, inputs: {{message: 'Done with {{{{ steps.first.output.title }}}}'}}}}]}}]
"""


@pytest.fixture
def gate(sink):
    """The sink answers once the gate is open."""
    opened = threading.Event()
    sink.answer = lambda number, path: (opened.wait(20), (200, {"ok": True}, {}))[1]
    yield opened
    opened.set()


@pytest.fixture
def send(site):
    """Deliver to the running site by HTTP."""

    def post(payload, event="issues"):
        body = json.dumps(payload).encode()
        headers = GitHubScheme({}).sign(SECRET, body, event_type=event, delivery=str(id(payload)))
        request = urllib.request.Request(
            f"{site}/hooks/github/", body, {"Content-Type": "application/json", **headers}, method="POST"
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    return post


def _run_page(site, run):
    return f"{site}/admin/automate_core/executionrun/{run.pk}/change/"


def _card(page: Page, name):
    return page.locator(f"#card-{name}")


def test_a_step_goes_from_running_to_succeeded_without_a_reload(
    workflow, sink, gate, send, signed_in, site, faults, shot
):
    workflow(SLOW.format(url=sink.url))
    page = signed_in
    page.goto(f"{site}/admin/automate_core/executionrun/")
    expect(page.get_by_text("No runs that you may see yet")).to_be_visible()
    send({"title": "a bug"})
    run = wait_for(lambda: ExecutionRun.objects.filter(status="running").first())
    page.get_by_role("link", name=str(run)).click(timeout=12_000)  # the list shows it by itself

    expect(page).to_have_url(_run_page(site, run))
    expect(_card(page, "call")).to_have_attribute("data-st", "running")
    expect(_card(page, "route")).to_have_attribute("data-st", "pending")
    expect(page.locator("#live")).to_have_text("Live")
    shot(page, "run-running")
    page.evaluate("window.untouched = true")

    gate.set()
    expect(_card(page, "call")).to_have_attribute("data-st", "succeeded", timeout=5_000)
    expect(_card(page, "route-done")).to_have_attribute("data-st", "succeeded")
    expect(page.locator("#run-state")).to_contain_text("Succeeded")
    expect(page.locator("#live")).to_have_text("Ended")
    expect(page.locator(".da-cond.hit")).to_contain_text("Good")
    assert page.evaluate("window.untouched") is True
    assert faults(page) == []
    shot(page, "run-succeeded")


def test_a_retry_is_shown_as_it_happens(workflow, sink, send, signed_in, site, faults):
    sink.answer = lambda number, path: (503, {"error": "busy"}, {}) if number == 1 else (200, {"ok": True}, {})
    workflow(SLOW.format(url=sink.url))
    page = signed_in
    send({"title": "a bug"})
    run = wait_for(lambda: ExecutionRun.objects.first())
    page.goto(_run_page(site, run))
    expect(_card(page, "call")).to_have_attribute("data-st", "succeeded", timeout=10_000)
    page.locator("#row-call").click()
    expect(page.locator(".da-try li").first).to_contain_text(f"POST {sink.url}/x failed with HTTP 503")
    expect(page.locator(".da-try li").nth(1)).to_contain_text("Try 2")
    page.get_by_role("link", name="Try 1").click()
    expect(page.locator("#tab-error")).to_contain_text("http_503")
    assert faults(page) == []


def test_without_a_stream_the_page_polls(workflow, sink, gate, send, signed_in, site):
    workflow(SLOW.format(url=sink.url))
    page = signed_in
    page.route("**/stream/**", lambda route: route.abort())
    send({"title": "a bug"})
    run = wait_for(lambda: ExecutionRun.objects.filter(status="running").first())
    page.goto(_run_page(site, run))
    expect(page.locator("#live")).to_contain_text("Reconnecting")
    gate.set()
    expect(_card(page, "call")).to_have_attribute("data-st", "succeeded", timeout=15_000)


def test_the_selected_step_and_the_open_tab_survive_changes(workflow, sink, gate, send, signed_in, site, faults):
    workflow(SLOW.format(url=sink.url))
    page = signed_in
    send({"title": "a bug"})
    run = wait_for(lambda: ExecutionRun.objects.filter(status="running").first())
    page.goto(_run_page(site, run))
    _card(page, "first").click()
    expect(page.locator("#inspector-name")).to_have_text("First")
    expect(page).to_have_url(f"{_run_page(site, run)}?step=first")
    page.get_by_role("tab", name="Input").click()
    expect(page.locator("#tab-input")).to_contain_text('"title": "a bug"')
    gate.set()
    expect(page.locator("#run-state")).to_contain_text("Succeeded")
    expect(page.locator("#inspector-name")).to_have_text("First")
    expect(page.locator("#tab-input")).to_be_visible()
    expect(_card(page, "first")).to_have_attribute("aria-selected", "true")
    page.reload()
    expect(page.locator("#inspector-name")).to_have_text("First")
    assert faults(page) == []


def test_the_tree_is_walked_by_keys(workflow, sink, gate, send, signed_in, site):
    gate.set()
    workflow(SLOW.format(url=sink.url))
    page = signed_in
    send({"title": "a bug"})
    run = wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").first())
    page.goto(f"{_run_page(site, run)}?step=first")
    _card(page, "first").focus()
    for name in ("call", "route", "route-done"):
        page.keyboard.press("ArrowDown")
        expect(_card(page, name)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#inspector-name")).to_have_text("Done")
    expect(page.locator("#inspector-name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(_card(page, "route-done")).to_be_focused()
    page.keyboard.press("Home")
    expect(_card(page, "trigger")).to_be_focused()
    assert page.locator("[role=treeitem][tabindex='0']").count() == 1


def test_a_hostile_payload_does_nothing(workflow, sink, gate, send, signed_in, site, faults):
    gate.set()
    workflow(SLOW.format(url=sink.url))
    page = signed_in
    bad = "</pre><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'><svg onload=window.hacked=1>"
    send({"title": bad, "__proto__": {"x": 1}, bad: bad}, event=bad)
    run = wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").first())
    for step in ("first", "call", "route/done"):
        page.goto(f"{_run_page(site, run)}?step={step}")
        expect(page.locator("#inspector-name")).to_be_visible()
    page.goto(f"{_run_page(site, run)}?step=first")
    expect(page.locator("#tab-output")).to_contain_text("window.hacked")
    page.goto(f"{site}/admin/automate_core/executionrun/?q={bad}")
    assert page.evaluate("window.hacked") is None
    assert faults(page) == []
