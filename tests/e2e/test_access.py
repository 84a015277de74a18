"""Every page for everybody: axe-core finds nothing in light and dark, and nothing is lost at 200 % zoom, with forced
colours or without motion."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.e2e.places import EXTENTS, sign_in_as_root, within
from tests.support.axe import darken, violations, without_motion

pytestmark = pytest.mark.django_db(transaction=True)

_WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def _open(page: Page, name: str) -> None:
    """What is opened on a page beside what is there at first."""
    match name:
        case "workflows":
            page.get_by_role("checkbox", name="Select Triage").check()
        case "builder":
            page.locator("#card-look").focus()
            page.keyboard.press("+")
            page.get_by_role("combobox", name="Search steps").wait_for()
        case "event":
            page.get_by_role("button", name="Replay").click()
        case "failed run":
            page.get_by_role("button", name="Re-run").click()
        case "review":
            page.get_by_text("Side by side").click()


@EXTENTS
def test_no_page_keeps_anybody_out(places, root, site, faults, extent):
    page, found = root, {}

    def look(name):
        page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
        without_motion(page)
        page.evaluate("document.fonts.ready.then(() => null)")  # icons are ligatures, which axe measures
        seen = violations(page)
        darken(page)
        seen += [f"dark: {each}" for each in violations(page, ["color-contrast"])]
        seen += [] if name == "nowhere" else faults(page)  # of which the browser says that it is not there
        page.faults.clear()
        page.set_viewport_size({"width": 720, "height": 450})
        if page.evaluate(_WIDER) > 0:
            seen.append("scrolls sideways at 200 %")
        page.set_viewport_size({"width": 1440, "height": 900})
        if seen:
            found[name] = seen

    look("sign-in")
    sign_in_as_root(page)
    for name, path in within(extent, places).items():
        page.goto(site + path)
        _open(page, name)
        look(name)
    assert found == {}


_SEEN = """
() => {
  const canvas = getComputedStyle(document.body).backgroundColor;
  const drawn = [...document.querySelectorAll(".da-root :is(.da-dot:not(.ring), .da-tracker i, .da-progress-segments i)")];
  const icons = [...document.querySelectorAll(".da-root .icon")];
  const lost = [...drawn.filter((each) => each.offsetParent && getComputedStyle(each).backgroundColor === canvas),
    ...icons.filter((each) => each.offsetParent && getComputedStyle(each, "::before").color === canvas)];
  const edged = [...document.querySelectorAll(".da-root :is(.da-btn, .da-input, .da-step)")];
  const bare = edged.filter((each) => each.offsetParent && parseFloat(getComputedStyle(each).outlineWidth) < 1);
  return [...lost, ...bare].map((each) => each.className);
}
"""


@pytest.mark.extended
def test_forced_colours_and_no_motion_take_nothing_away(places, root, site, shot):
    page = root
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    sign_in_as_root(page)
    for name in ("workflows", "workflow", "builder, a branch", "run", "review", "approval"):
        page.goto(site + places[name])
        page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
        assert page.evaluate(_SEEN) == [], name
        moving = "document.getAnimations().filter((each) => each.effect.getComputedTiming().endTime > 50).length"
        assert page.evaluate(moving) == 0, name
        shot(page, f"forced-{name}")
    page.goto(site + places["builder, a branch"])
    chosen, other = page.locator("#card-route"), page.locator("#card-look")
    width = "(card) => parseFloat(getComputedStyle(card).outlineWidth)"
    assert chosen.evaluate(width) > other.evaluate(width), "the chosen step stands out"
    page.get_by_role("link", name="Settings").focus()
    page.keyboard.press("Tab")
    focused = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(focused.removesuffix("px")) >= 2, "what has the focus stands out"
