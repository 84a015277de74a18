"""Where this machine has the documentation: hints of checks name a page as a file that can be opened at once.

Checks speak before the site has any page, so the Help pages are no place to send somebody to.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGES = Path(__file__).parents[1]
#: The folder above `docs`: in the wheel, or in a checkout.
PLACES = (_PACKAGES / "automate_studio", _PACKAGES.parent)
FOLDER = next((place / "docs" for place in PLACES if (place / "docs").is_dir()), PLACES[0] / "docs")


def doc(name: str) -> str:
    """The path of the page `name`, such as `settings` or `connectors/http`."""
    return str(FOLDER / f"{name}.md")
