"""A host that cannot stream: the same page, polling."""

from __future__ import annotations

import threading

import pytest
from playwright.sync_api import Page, expect

from automate_core.models import ExecutionRun
from automate_core.worker.worker import Worker
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SLOW = """
name: Slow
slug: slow
triggers: [{{endpoint: github}}]
steps: [{{key: call, action: http.request, inputs: {{method: POST, url: '{url}/x'}}}}]
"""


@pytest.mark.extended
def test_under_wsgi_the_page_polls_and_stays_live(live_server, page: Page, workflow, deliver, sink, owner):
    gate = threading.Event()
    sink.answer = lambda number, path: (gate.wait(120), (200, {}, {}))[1]
    workflow(SLOW.format(url=sink.url))
    deliver()
    worker = Worker(concurrency=1, name="beside")
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    try:
        run = wait_for(lambda: ExecutionRun.objects.filter(status="running").first())
        page.goto(f"{live_server.url}/admin/login/?next=/admin/automate_core/executionrun/{run.pk}/change/")
        page.get_by_label("Username").fill("owner")
        page.get_by_label("Password").fill("password-of-tests")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#live")).to_have_text("Live")
        assert page.locator("#run").get_attribute("data-stream") == ""
        gate.set()
        expect(page.locator("#card-call")).to_have_attribute("data-st", "succeeded")
        expect(page.locator("#live")).to_have_text("Ended")
    finally:
        gate.set()
        worker.stop()
        thread.join(60)
