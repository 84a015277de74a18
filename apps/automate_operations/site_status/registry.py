"""Registry of the items of the site status.

    register(StatusItem(code="mail", title=text("Email"), ok=text("A mail server is set."), find=find_problems))

`find` yields a `Finding` for each problem. It only reads, and in few cheap queries: the overview reads all items every
15 seconds. What is dear is kept for `cache_seconds` in each process.
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.urls import NoReverseMatch

from automate_governance.admin_site import reverse
from automate_governance.permissions import SITE, User, can
from automate_plugins import text

log = logging.getLogger(__name__)

MOST = 20  #: findings of one item


class Severity(enum.StrEnum):
    """How urgent a finding is: something does not work, or it will not for long."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One problem. `message` is a marked text that says what to do, on the page of `view`, `args` and `query`."""

    severity: Severity
    message: str
    view: str = ""
    args: Sequence[Any] = ()
    query: str = ""

    @classmethod
    def error(cls, message: str, view: str = "", *args: Any) -> Finding:
        """Something that does not work."""
        return cls(severity=Severity.ERROR, message=message, view=view, args=args)

    @classmethod
    def warning(cls, message: str, view: str = "", *args: Any) -> Finding:
        """Something that will not work for long."""
        return cls(severity=Severity.WARNING, message=message, view=view, args=args)

    @property
    def url(self) -> str:
        """The page to solve it on; empty without one, or where the project does not have that page."""
        try:
            page = reverse(self.view, args=self.args) if self.view else ""
        except NoReverseMatch:
            return ""
        return f"{page}?{self.query}" if page and self.query else page


@dataclass(frozen=True, kw_only=True)
class StatusItem:
    """One thing that is checked: `title` and `ok` are marked texts; `ok` is shown when `find` yields nothing, and may
    be a function.

    `verb` shows it to people with this permission on the site too, not to its administrators alone. Problems that
    the overview lists by itself, by the permissions for each object, are not `on_overview` a second time.
    """

    code: str
    title: str
    ok: str | Callable[[], str]
    find: Callable[[], Iterable[Finding]]
    cache_seconds: float = 0
    verb: str = "administer"
    on_overview: bool = True


@dataclass(frozen=True, kw_only=True)
class ItemState:
    """An item with its findings, the worst first."""

    item: StatusItem
    findings: list[Finding] = field(default_factory=list)

    @property
    def severity(self) -> str:
        """The worst severity; empty when nothing was found."""
        return self.findings[0].severity if self.findings else ""

    @property
    def ok(self) -> str:
        """The text that is shown when nothing was found."""
        return self.item.ok() if callable(self.item.ok) else self.item.ok


_items: dict[str, StatusItem] = {}
_cached: dict[str, tuple[float, list[Finding]]] = {}
_ORDER = [Severity.ERROR, Severity.WARNING, ""]


def register(*items: StatusItem) -> None:
    """Add items. A later one replaces an earlier one with the same code."""
    _items.update({item.code: item for item in items})


def visible_items(user: User) -> list[StatusItem]:
    """The items that this person may see."""
    may = {verb: can(user, verb, SITE) for verb in {"administer", *(item.verb for item in _items.values())}}
    return [item for item in _items.values() if may["administer"] or may[item.verb]]


def read_items(items: Iterable[StatusItem] | None = None) -> list[ItemState]:
    """The state of these items, or of all: those with the worst findings first."""
    found = [ItemState(item=item, findings=_findings(item)) for item in (_items.values() if items is None else items)]
    return sorted(found, key=lambda state: _ORDER.index(state.severity))


def forget() -> None:
    """Drop what is cached in this process."""
    _cached.clear()


def _findings(item: StatusItem) -> list[Finding]:
    until, kept = _cached.get(item.code, (0.0, []))
    if time.monotonic() < until:
        return kept
    try:
        with transaction.atomic():  # a query that fails harms no other item
            found = sorted(item.find(), key=lambda finding: _ORDER.index(finding.severity))
    except Exception:
        log.exception("the site status %s cannot be read", item.code)
        message = text("This could not be checked. The log of the web server has the reason.")
        return [Finding.warning(message)]
    if item.cache_seconds:
        _cached[item.code] = (time.monotonic() + item.cache_seconds, found)
    return found
