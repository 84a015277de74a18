"""Somebody without a pointer."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


def reach(page: Page, wanted: Locator) -> None:
    """Go to something by Tab, as somebody without a pointer has to."""
    for _ in range(150):
        if wanted.evaluate("(each) => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {wanted}")


def arrow_to(page: Page, wanted: Locator, key: str = "ArrowDown") -> None:
    """Go to an item of a menu, a list or a tree by an arrow key."""
    for _ in range(80):
        if wanted.evaluate("(each) => each === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} does not reach {wanted}")


def press(page: Page, wanted: Locator) -> None:
    """Reach a button or a link and press Enter."""
    reach(page, wanted)
    page.keyboard.press("Enter")


def write(page: Page, wanted: Locator, text: str) -> None:
    """Reach a field, and put a text in the place of what is there."""
    reach(page, wanted)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)
