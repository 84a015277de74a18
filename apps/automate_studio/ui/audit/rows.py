"""Entries as lines of a page: who, what, to which object with a link there, and the values before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.urls import NoReverseMatch

from automate_governance.admin_site import reverse
from automate_governance.models import AuditEntry
from automate_studio.ui import lists
from automate_studio.ui.audit.filters import KINDS, Question

ON_A_PAGE = 50


@dataclass(frozen=True, kw_only=True)
class Change:
    """One value: `before` is None where there is nothing to compare with."""

    name: str
    before: str | None
    after: str


@dataclass(frozen=True, kw_only=True)
class EntryRow:
    """An entry. `url` is empty for what has no page, or is gone; `history` lists all of the object."""

    entry: AuditEntry
    kind: str
    url: str
    history: str
    changes: list[Change]


@dataclass(frozen=True, kw_only=True)
class EntryPage(lists.Page):
    """One page of entries, newest first."""

    question: Question


def page(question: Question, after: int | None, before: int | None, **around: Any) -> EntryPage:
    """The entries below the key `after`, or the nearest above `before`. One query."""
    entries = question.entries().defer("canonical")
    if before:
        found = list(entries.filter(pk__gt=before).order_by("pk")[: ON_A_PAGE + 1])
        more, rows = len(found) > ON_A_PAGE, found[:ON_A_PAGE][::-1]
    else:
        found = list((entries.filter(pk__lt=after) if after else entries).order_by("-pk")[: ON_A_PAGE + 1])
        more, rows = len(found) > ON_A_PAGE, found[:ON_A_PAGE]
    shown = list(of(rows))
    sides: dict[str, Any] = {
        **lists.beside(shown, question.kept, lambda row: row.entry.pk, more=more, after=after, before=before)
    }
    return EntryPage(
        rows=shown,
        tabs=[],
        search=question.kept.get("q", ""),
        filtered=bool(question.kept),
        question=question,
        **sides,
    )


def empty(question: Question) -> EntryPage:
    """Nothing, where the question cannot be read or took too long."""
    return EntryPage(rows=[], tabs=[], search=question.kept.get("q", ""), filtered=True, question=question)


def of(entries: Iterable[AuditEntry]) -> Iterator[EntryRow]:
    """Each as a row, without a query."""
    for entry in entries:
        yield EntryRow(
            entry=entry,
            kind=KINDS.get(entry.object_type) or _kind(entry.object_type),
            url=_url(entry.object_type, entry.object_id),
            history=lists.address({"about": f"{entry.object_type}:{entry.object_id}"}),
            changes=[_change(name, value) for name, value in entry.changes.items() if value not in ("", [], {}, None)],
        )


def _change(name: str, value: Any) -> Change:
    label = name.replace("_", " ")
    if isinstance(value, dict) and value.keys() == {"from", "to"}:
        return Change(name=label, before=_text(value["from"]), after=_text(value["to"]))
    return Change(name=label, before=None, after=_text(value))


def _text(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(each)}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _kind(object_type: str) -> str:
    try:
        return str(apps.get_model(object_type)._meta.verbose_name).capitalize()
    except (LookupError, ValueError):  # of an app that is gone
        return object_type


def _url(object_type: str, key: str) -> str:
    try:
        return reverse(f"admin:{object_type.replace('.', '_')}_change", args=[key])
    except NoReverseMatch:
        return ""
