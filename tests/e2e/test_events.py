"""Why did it not run: from the inbox to the reason, and to the event again by the palette, with the keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from automate_core.models import Event, ExecutionRun
from tests.support.axe import violations, without_motion

pytestmark = pytest.mark.django_db(transaction=True)

PUSHES = """
name: Release notes
slug: release-notes
triggers:
  - {endpoint: github, event: push, filter: {'==': [{var: event.payload.ref}, refs/heads/main]}}
steps: [{key: note, action: data.log, inputs: {message: 'Pushed {{ event.payload.ref }}'}}]
"""


@pytest.mark.extended
def test_a_push_of_a_tag_is_found_explained_and_replayed(
    workflow, deliver, drain, signed_in, site, faults, shot, owner
):
    made = workflow(PUSHES)
    deliver({"ref": "refs/heads/main"}, event="push")
    deliver({"ref": "refs/tags/v1.2"}, event="push")
    drain()
    page, tag = signed_in, Event.objects.latest("id")

    def well(name):
        without_motion(page)
        page.evaluate("document.fonts.ready.then(() => null)")
        assert violations(page) == [], name
        assert faults(page) == [], name
        shot(page, name)

    page.locator("#nav-sidebar").get_by_role("link", name="Events").click()
    rows = page.locator("#list tbody tr")
    expect(rows).to_have_count(2)
    well("events")
    page.get_by_label("Text or JSON in the payload").press_sequentially("tags")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile("held=tags"))
    page.get_by_role("link", name="Started no run").click()
    expect(rows).to_have_count(1)
    rows.get_by_role("link").first.click()
    expect(page.get_by_text("No match")).to_be_visible()
    expect(page.get_by_text('Ref is refs/heads/main was "refs/tags/v1.2"')).to_be_visible()
    page.get_by_role("treeitem").filter(has_text='"ref"').click()
    expect(page.get_by_label("Selected value")).to_contain_text("event.payload.ref")
    page.get_by_label("Search in Payload").fill("TAGS")
    expect(page.locator("#jt-payload mark")).to_have_text("tags")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("dialog", name="Replay")).to_contain_text("would start nothing")
    well("event")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Use as sample").click()
    expect(page).to_have_url(re.compile(f"/workflows/{made.pk}/builder/"))

    page.goto(f"{site}/admin/automate_core/executionrun/")
    page.keyboard.press("Control+k")
    box = page.locator("#search-input-command")
    expect(box).to_be_focused()
    page.keyboard.type(tag.trace_id)
    found = page.locator("#command-results-list li")
    expect(found).to_have_count(1)
    well("palette")
    box.press("Enter")  # the first of what is found, unless the arrows choose another
    expect(page).to_have_url(re.compile(f"/event/{tag.pk}/"))

    page.goto(f"{site}/admin/automate_core/event/{ExecutionRun.objects.get().event_id}/change/")
    page.get_by_role("button", name="Replay").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Replay")
    expect(dialog.get_by_role("checkbox", name="Release notes")).to_be_checked()
    posted = []
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    dialog.get_by_role("button", name="Replay").evaluate(
        "button => { button.click(); setTimeout(() => button.click(), 10); }"
    )
    expect(page.get_by_text("Replayed. 1 run started.")).to_be_visible()
    assert len(posted) == 1 and "/replay/" in posted[0], "a double click means it once"
    assert made.runs.count() == 2
