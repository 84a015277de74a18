"""The main job in a browser: a delivery becomes a finished run before one's eyes."""

from __future__ import annotations

import json
import threading
import urllib.request

import pytest
from django.db import connection
from django.utils import timezone
from playwright.sync_api import Page, expect

from automate_core.models import ExecutionRun, RunLog
from automate_core.webhooks.schemes.registry import GitHubScheme
from tests.conftest import SECRET
from tests.support.axe import violations
from tests.support.browser import sign_in_at
from tests.support.processes import free_port, wait_for

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
def gates():
    """Three gates for the sink to wait at, open in the end."""
    made = [threading.Event() for _ in range(3)]
    yield made
    for each in made:
        each.set()


@pytest.fixture
def gate(sink, gates):
    """The sink answers once the gate is open."""
    sink.answer = lambda number, path: (gates[0].wait(120), (200, {"ok": True}, {}))[1]
    return gates[0]


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
    expect(page.get_by_text("No runs yet")).to_be_visible()
    send({"title": "a bug"})
    run = wait_for(lambda: ExecutionRun.objects.filter(status="running").first())
    page.get_by_role("link", name=str(run)).click()  # the list shows it by itself

    expect(page).to_have_url(_run_page(site, run))
    expect(_card(page, "call")).to_have_attribute("data-st", "running")
    expect(_card(page, "route")).to_have_attribute("data-st", "pending")
    expect(page.locator("#live")).to_have_text("Live")
    shot(page, "run-running")
    page.evaluate("window.untouched = true")

    gate.set()
    expect(_card(page, "call")).to_have_attribute("data-st", "succeeded")
    expect(_card(page, "route-done")).to_have_attribute("data-st", "succeeded")
    expect(page.locator("#run-state")).to_contain_text("Succeeded")
    expect(page.locator("#live")).to_have_text("Ended")
    expect(page.locator(".da-cond.taken")).to_contain_text("Good")
    assert page.evaluate("window.untouched") is True
    assert faults(page) == []
    shot(page, "run-succeeded")


TRIES = """
name: Tries
slug: tries
triggers: [{{endpoint: github}}]
steps:
  - {{key: call, name: Call, action: http.request, timeout: 300, inputs: {{method: POST, url: '{url}/x'}}, retry: {{attempts: 9, base: 0.4, factor: 1}}}}
"""


@pytest.mark.extended
def test_a_line_of_the_log_is_there_while_its_step_runs(workflow, sink, gate, send, signed_in, site, faults):
    workflow(SLOW.format(url=sink.url))
    page = signed_in
    send({"title": "Anvils"})
    run = wait_for(ExecutionRun.objects.first)
    wait_for(lambda: RunLog.objects.filter(run=run, path="call").exists())
    page.goto(f"{_run_page(site, run)}?step=call&tabs=log")
    expect(_card(page, "call")).to_have_attribute("data-st", "running")
    lines = page.get_by_role("log").locator("p")
    expect(lines).to_have_count(1)
    line = RunLog.objects.get(run=run, path="call")
    with connection.cursor() as cursor:  # as a worker stores a further one
        RunLog.objects.create(
            run=run, path="call", level="info", message="Half of it", at=timezone.now(), seq=line.seq + 1
        )
        cursor.execute("UPDATE automate_core_executionrun SET seq = seq + 1")
    expect(page.get_by_text("Half of it")).to_be_visible()
    expect(_card(page, "call")).to_have_attribute("data-st", "running")
    gate.set()
    expect(page.locator("#run-state")).to_have_attribute("data-ended", "1")
    expect(lines).to_have_count(2)
    assert faults(page) == []


@pytest.mark.extended
def test_nothing_is_missed_or_doubled_when_the_server_is_killed(
    workflow, sink, gates, deliver, serve, worker_process, page, owner
):
    """The run goes on in a worker of its own meanwhile; the page that stayed open shows every try and line, once."""
    gate = gates[0]
    sink.answer = lambda number, path: (
        number == 3 and gate.wait(120),
        (200, {"ok": True}, {}) if number > 5 else (503, {"error": "busy"}, {}),
    )[1]
    workflow(TRIES.format(url=sink.url))
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    log = page.locator("#inspector [role=log] p")
    with worker_process(AUTOMATE_EGRESS_ALLOW=sink.host):
        with serve(port, worker="off") as server:
            sign_in_at(page, site)
            deliver()
            run = wait_for(lambda: ExecutionRun.objects.filter(status="running").first())
            page.goto(f"{_run_page(site, run)}?step=call")
            expect(page.locator(".da-try li").nth(2)).to_contain_text("Attempt 3")
            so_far = RunLog.objects.filter(run=run, path="call")
            wait_for(lambda: so_far.filter(attempt=3).exists())  # the line of the attempt that goes on
            expect(log).to_have_count(so_far.count())
            page.evaluate("window.untouched = true")
            page.add_style_tag(
                content=".da-log { flex: none !important; height: 60px !important; overflow: auto !important }"
            )
            page.locator("#inspector [role=log]").evaluate("(log) => log.scrollTo(0, 0)")
            server.kill()
        gate.set()
        expect(page.locator("#live")).to_contain_text("Reconnecting")
        wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").exists())
        with serve(port, worker="off"):
            expect(_card(page, "call")).to_have_attribute("data-st", "succeeded")
            lines = RunLog.objects.filter(run=run, path="call").order_by("id")
            written = [line.message for line in lines]
            expect(log).to_have_count(len(written))
            assert len(written) > 10 and page.evaluate("window.untouched") is True
            shown = log.locator("span:last-child").all_text_contents()
            assert shown == written
            newer = page.get_by_role("button", name="new line")
            assert page.locator("#inspector [role=log]").evaluate("(log) => log.scrollTop") == 0
            newer.click()
            expect(newer).to_have_count(0)
            assert page.locator("#inspector [role=log]").evaluate("(log) => log.scrollTop") > 0
            expect(page.locator(".da-try li")).to_have_count(6)
            page.get_by_role("link", name="Attempt 1").click()
            expect(page.get_by_role("alert").filter(has_text="http_503")).to_be_visible()


TWO = """
name: Two
slug: two
triggers: [{{endpoint: github}}]
steps:
  - {{key: first, name: First, action: http.request, timeout: 300, inputs: {{method: POST, url: '{url}/x'}}}}
  - {{key: second, name: Second, action: http.request, timeout: 300, inputs: {{method: POST, url: '{url}/x'}}}}
"""
READERS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT id, seq FROM automate_core_executionrun%%'"


@pytest.mark.extended
def test_eight_pages_of_one_browser_stay_usable_and_leave_no_stream(workflow, sink, gates, send, signed_in, site):
    """A browser opens six connections to a host: were each page to hold one, the seventh would get none."""
    sink.answer = lambda number, path: (gates[number - 1].wait(120), (200, {"ok": True}, {}))[1]

    def readers():
        with connection.cursor() as cursor:
            cursor.execute(READERS)
            return cursor.fetchone()[0]

    workflow(TWO.format(url=sink.url))
    send({"title": "a bug"})
    run = wait_for(lambda: ExecutionRun.objects.filter(status="running").first())
    pages = [signed_in, *(signed_in.context.new_page() for _ in range(7))]
    for page in pages:
        page.goto(_run_page(site, run))
        expect(page.locator("#live")).to_have_text("Live")
    held = signed_in.evaluate("navigator.locks.query().then((found) => found.held.length)")
    assert (held, readers()) == (4, 1), "four streams, and one reader for them"
    gates[0].set()
    for page in pages:
        expect(_card(page, "first")).to_have_attribute("data-st", "succeeded")
    pages[7].goto(f"{site}/admin/automate_core/executionrun/")
    expect(pages[7].get_by_role("link", name=str(run))).to_be_visible()
    for page in pages:
        page.close()
    wait_for(lambda: readers() == 0)
    assert ExecutionRun.objects.get().status == "running"


LOOP = """
name: Orders
slug: orders
triggers: [{{endpoint: github}}]
steps:
  - kind: for_each
    key: each
    name: Each order
    items: '{{{{ range(24) | list }}}}'
    on_item_error: collect
    steps:
      - {{key: note, name: Note, action: data.set, inputs: {{n: '{{{{ index }}}}'}}}}
      - {{key: call, name: Call, action: http.request, timeout: 300, inputs: {{method: POST, url: '{url}/{{{{ index }}}}'}}}}
  - {{key: after, name: After, action: data.set, inputs: {{a: 1}}}}
"""


@pytest.mark.extended
def test_a_loop_is_looked_through_item_by_item(workflow, sink, gates, send, signed_in, site, faults, shot):
    gate = gates[0]

    def answer(number, path):
        if path == "/23":
            gate.wait(120)
        return (400, {"error": "no"}, {}) if path in {"/4", "/23"} else (200, {"ok": True}, {})

    sink.answer = answer
    workflow(LOOP.format(url=sink.url))
    page = signed_in
    send({"title": "a bug"})
    run = wait_for(lambda: ExecutionRun.objects.filter(status="running").first())
    wait_for(lambda: run.steps.filter(path="each[23]/call").exists())
    page.goto(f"{_run_page(site, run)}?step=each")
    told, call = page.locator(".da-item > span"), _card(page, "each-call")
    items = page.locator(".da-loop-item a")
    expect(told).to_have_text("Item 5 of 24, 1 failed")
    expect(items).to_have_count(10)
    page.evaluate("window.untouched = true")

    page.get_by_role("button", name="Follow").click()
    expect(told).to_have_text("Item 24 of 24, 1 failed")
    expect(page.locator("#inspector-name")).to_have_text("Call")
    expect(items).to_have_text(["Item 21", "Item 22", "Item 23", "Item 24"])

    page.get_by_role("link", name="Failed 1").click()
    expect(items).to_have_text(["Item 5"])
    items.click()
    expect(page).to_have_url(f"{_run_page(site, run)}?step=each%5B4%5D%2Fcall&loop=each&items=failed")
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_role("alert").filter(has_text="http_400")).to_be_visible()
    page.reload()
    expect(told).to_have_text("Item 5 of 24, 1 failed")
    expect(items).to_have_text(["Item 5"])
    expect(call).to_have_attribute("aria-selected", "true")

    call.focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(told).to_have_text("Item 6 of 24, 1 failed")
    expect(call).to_be_focused()
    expect(call).to_have_attribute("data-st", "succeeded")
    page.get_by_role("link", name="All 24").click()
    page.get_by_role("link", name="Next items").click()
    expect(page.get_by_text("11 to 20 of 24")).to_be_visible()
    expect(told).to_have_text("Item 6 of 24, 1 failed")
    page.get_by_label("Go to item").fill("24")
    page.keyboard.press("Enter")
    expect(told).to_have_text("Item 24 of 24, 1 failed")
    expect(call).to_have_attribute("data-st", "running")
    expect(page.locator("#live")).to_have_text("Live")
    shot(page, "run-loop")
    page.go_back()
    expect(told).to_have_text("Item 6 of 24, 1 failed")
    page.go_forward()
    expect(told).to_have_text("Item 24 of 24, 1 failed")

    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_text("Timeline", exact=True).first.click()
    expect(items.first).to_be_visible()
    shot(page, "run-loop-phone")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert violations(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})

    gate.set()
    expect(call).to_have_attribute("data-st", "failed")
    expect(page.locator("#run-said")).to_have_text("Failed: Call")
    expect(page.locator("#live")).to_have_text("Ended")
    expect(told).to_have_text("Item 24 of 24, 2 failed")
    assert faults(page) == []


@pytest.mark.extended
def test_without_a_stream_the_page_polls_and_keeps_what_is_selected(workflow, sink, gate, send, signed_in, site):
    workflow(SLOW.format(url=sink.url))
    page = signed_in
    page.route("**/stream/**", lambda route: route.abort())
    send({"title": "a bug"})
    run = wait_for(lambda: ExecutionRun.objects.filter(status="running").first())
    page.goto(_run_page(site, run))
    expect(page.locator("#live")).to_contain_text("Reconnecting")
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


@pytest.mark.extended
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
    assert page.locator("#flow [role=treeitem][tabindex='0']").count() == 1


@pytest.mark.extended
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
