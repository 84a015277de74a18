"""Pages in a browser."""

from __future__ import annotations

from playwright.sync_api import Page

from automate_core.models import Step

WATCH = """
window.faults = [];
document.addEventListener("securitypolicyviolation", (event) => window.faults.push(`csp: ${event.violatedDirective} ${event.blockedURI}`));
"""


def watch(page: Page) -> None:
    """Have the page collect what goes wrong in the browser, for `faults`."""
    page.add_init_script(WATCH)
    page.faults = []  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.faults.append(f"error: {error}"))  # type: ignore[attr-defined]
    page.on("console", lambda said: page.faults.append(said.text) if said.type == "error" else None)  # type: ignore[attr-defined]


def sign_in_at(page: Page, site: str) -> None:
    """The owner signs in by the form; the page collects what goes wrong in the browser."""
    watch(page)
    page.goto(f"{site}/admin/")
    page.get_by_label("Username").fill("owner")
    page.get_by_label("Password").fill("password-of-tests")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site}/admin/")


def card(page: Page, name: str):
    return page.locator(f"#card-{name}")


def step_keys(parent=None, slot=""):
    return list(Step.objects.filter(parent__key=parent, slot=slot).order_by("position").values_list("key", flat=True))
