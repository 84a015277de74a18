"""axe-core, and how a page is made ready for it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

_AXE = Path(__file__).parent.parent / "e2e" / "vendor" / "axe-core-4.14.1" / "axe.min.js"
_VIOLATIONS = """
async (rules) => {
  const found = await axe.run(document, { ...(rules && { runOnly: rules }), resultTypes: ["violations"] });
  // A card is called by its title; the sentence below that is its description, which axe takes for a part of the name.
  const isDescribed = (rule, node) => rule.id === "label-content-name-mismatch" && document.querySelector(node.target[0]).matches("[role=treeitem][aria-description], [role=treeitem][aria-describedby]");
  const said = (node) => `${node.target.join(" ")}: ${node.failureSummary.split("\\n").slice(1).join(" ").trim()}`;
  return found.violations.flatMap((rule) => rule.nodes.filter((node) => !isDescribed(rule, node)).map((node) => `${rule.id} at ${said(node)}`));
}
"""
_WITHOUT_MOTION = "*, ::before, ::after { transition: none !important; animation: none !important }"
_THEME = """
(theme) => new Promise((done) => {
  document.documentElement.classList.remove("light", "dark");
  document.documentElement.classList.add(theme);
  requestAnimationFrame(() => requestAnimationFrame(() => done()));
})
"""


def violations(page: Page, rules: list[str] | None = None) -> list[str]:
    """What keeps somebody out of the page as it is now, by all rules or by these."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(_AXE.read_text(encoding="utf-8"))
    return page.evaluate(_VIOLATIONS, rules)


def without_motion(page: Page) -> None:
    """A colour on its way to another is neither."""
    page.add_style_tag(content=_WITHOUT_MOTION)


def darken(page: Page) -> None:
    """The dark theme, drawn."""
    page.evaluate(_THEME, "dark")


def show_theme(page: Page, theme: str) -> None:
    """The light or dark theme, drawn. Unfold asks for the system's scheme only when a page is loaded."""
    page.emulate_media(color_scheme=theme)
    page.evaluate(_THEME, theme)
