"""Small things that people stumbled over: search while typing, exports one after the other, lines, legends, boxes."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from automate_core.models import ExecutionRun
from tests.support.runs import ended_runs, published_workflows

pytestmark = pytest.mark.django_db(transaction=True)


def test_templates_are_found_while_typing(signed_in, site):
    page = signed_in
    page.goto(f"{site}{reverse('studio:template_list')}")
    page.get_by_role("searchbox", name="Search templates").press_sequentially("pushes")
    expect(page.locator(".da-template")).to_have_count(1)


def test_one_export_follows_another_at_once(owner, signed_in, site):
    """A double click on a button means it once; a click on another button is another export."""
    (flow,) = published_workflows(owner, "Flow")
    ended_runs(flow, 2)
    page = signed_in
    page.goto(f"{site}{reverse('admin:automate_core_executionrun_changelist')}")
    files = []
    page.on("download", lambda download: files.append(download.suggested_filename))
    for name in ("CSV", "JSON Lines"):
        page.locator("[popovertarget=export]").click()
        with page.expect_download():
            page.get_by_role("button", name=name).dblclick()
    assert [file.rpartition(".")[2] for file in files] == ["csv", "jsonl"]


def test_a_narrow_canvas_keeps_its_lines_behind_the_buttons(builder):
    page = builder
    page.set_viewport_size({"width": 390, "height": 844})
    lines = page.locator(".da-flow .da-line:not(.no-line, .da-empty):has(.da-add):visible")
    drawn = lines.evaluate_all("all => all.map((each) => getComputedStyle(each, '::before').display)")
    assert drawn and set(drawn) == {"block"}


def test_the_timeline_explains_its_bars(owner, signed_in, site):
    (flow,) = published_workflows(owner, "Flow")
    ended_runs(flow)
    page = signed_in
    page.goto(f"{site}{reverse('admin:automate_core_executionrun_change', args=[ExecutionRun.objects.get().pk])}")
    expect(page.locator(".da-legend")).to_have_text(
        "Succeeded Running Waiting Failed attempt Until next attempt", use_inner_text=True
    )


PLAIN_BOXES = """() => [...document.querySelectorAll(".da-root input:is([type=checkbox], [type=radio])")].filter((box) => {
  const style = getComputedStyle(box);
  return box.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && style.clipPath === "none" && box.offsetWidth > 1;
}).map((box) => {
  const style = getComputedStyle(box);
  const primary = getComputedStyle(box.closest(".da-root")).getPropertyValue("--da-primary");
  const probe = document.createElement("i");
  probe.style.color = primary;
  box.closest(".da-root").append(probe);
  const wanted = getComputedStyle(probe).color;
  probe.remove();
  return `${style.appearance} ${box.offsetWidth} ${box.offsetHeight} ${style.accentColor === wanted}`;
})"""


@pytest.mark.parametrize(
    ("address", "opens"),
    [
        ("studio:share", ""),
        ("admin:automate_core_executionrun_changelist", "#export"),
        ("admin:automate_core_workflow_changelist", ""),
    ],
)
def test_check_boxes_look_alike(triage, deliver, drain, signed_in, site, address, opens):
    deliver()
    drain()
    page = signed_in
    page.goto(f"{site}{reverse(address, args=['workflow', triage.pk] if address == 'studio:share' else [])}")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    if opens:
        page.locator(f"[popovertarget={opens[1:]}]").click()
    found = page.evaluate(PLAIN_BOXES)
    assert found and set(found) == {"auto 16 16 true"}
