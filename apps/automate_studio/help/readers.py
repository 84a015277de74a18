"""The help in the order of its reader: what their roles are about comes first."""

from __future__ import annotations

from collections.abc import Iterator

from automate_core.models import Workflow
from automate_governance.permissions import SITE, User, can
from automate_studio.help import pages

_TECHNICAL = ("Operate", "Develop", "Decisions")  #: sections for people who run the site or write code for it


def sections_for(user: User, language: str) -> list[pages.Section]:
    """All sections: the start, those of the person's roles, then the others."""
    own = ["Start", *_own_sections(user)]
    return sorted(pages.sections(language), key=lambda each: own.index(each.name) if each.name in own else len(own))


def search(user: User, text: str, language: str) -> list[pages.Hit]:
    """What a search finds; pages for operators and developers come last for people who do not operate the site."""
    operates = can(user, "operate", SITE) or can(user, "administer", SITE)
    return pages.search(text, language, () if operates else _TECHNICAL)


def _own_sections(user: User) -> Iterator[str]:
    if can(user, "add", Workflow):
        yield "Build workflows"
    if can(user, "administer", SITE):
        yield "Administer"
    if can(user, "operate", SITE):
        yield "Operate"
    if can(user, "audit", SITE):
        yield "Audit"
