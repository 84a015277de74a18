"""Audit entries as rows: actor, action, object with a link, values before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.urls import NoReverseMatch
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from automate_core.definition.step_paths import START, key_of
from automate_governance import audit
from automate_governance.admin_site import reverse
from automate_governance.models import AuditEntry
from automate_governance.people.labels import group_label
from automate_governance.people.origin import Source
from automate_governance.texts import translated
from automate_operations.queries.step_names import StepNames, find_step_names
from automate_plugins import text
from automate_plugins.texts import Text
from automate_ui.audit.actions import action_label
from automate_ui.audit.filters import KINDS, AuditFilters
from automate_ui.formatting import format_exact, permission_word
from automate_ui.keyset_pages import KeysetPage, keyset_links
from automate_ui.navigation.lists import query_string

ON_A_PAGE = 50
#: Names of recorded values; a model's own fields have theirs as well.
_VALUE_NAMES = {
    "added": text("added"),
    "address": text("address"),
    "altered": text("altered entries"),
    "anchor": text("anchor"),
    "because": text("reason"),
    "channel": text("channel"),
    "command": text("command"),
    "config": text("configuration"),
    "connection": text("connection"),
    "connector": text("connector"),
    "days": text("days"),
    "definition_sha256": text("SHA-256 of the definition"),
    "details": text("details"),
    "digest": text("SHA-256 of what was shown and decided"),
    "decisions": text("decisions"),
    "edited": text("edited"),
    "enabled": text("enabled"),
    "encrypted": text("encrypted"),
    "entries": text("entries"),
    "event": text("event"),
    "faults": text("faults"),
    "file": text("file"),
    "files": text("files"),
    "filters": text("filters"),
    "for": text("object"),
    "found": text("faults found"),
    "form": text("form"),
    "format": text("format"),
    "from": text("from"),
    "is_on": text("enabled"),
    "job": text("job"),
    "key": text("key"),
    "keys": text("keys"),
    "kind": text("kind"),
    "left": text("not handed over"),
    "left_out": text("not recorded"),
    "made_at": text("time of the backup"),
    "max_cost": text("maximum cost"),
    "max_tokens": text("maximum tokens"),
    "message": text("message"),
    "name": text("name"),
    "outcome": text("outcome"),
    "owner": text("owner"),
    "author": text("author"),
    "part": text("part"),
    "parts": text("parts"),
    "payload": text("payload"),
    "places": text("places"),
    "position": text("position"),
    "previous": text("previous version"),
    "provider": text("provider"),
    "reason": text("reason"),
    "reference": text("reference"),
    "remark": text("remark"),
    "removed": text("removed"),
    "result": text("result"),
    "roles": text("roles"),
    "rule": text("rule"),
    "run": text("run"),
    "run_as": text("run as"),
    "runs": text("runs"),
    "said": text("message"),
    "saved": text("saved"),
    "scheme": text("scheme"),
    "scope": text("scope"),
    "search_terms": text("search values"),
    "secret": text("secret"),
    "secrets": text("secrets"),
    "sender": text("sender"),
    "since": text("since"),
    "slug": text("slug"),
    "start": text("start"),
    "status": text("status"),
    "step": text("step"),
    "template": text("template"),
    "to": text("to"),
    "tool": text("tool"),
    "verb": text("action"),
    "verbs": text("permissions"),
    "version": text("version"),
    "what": "",  # a sentence of its own
    "with": text("with"),
    "workflow": text("workflow"),
    "workflows": text("workflows"),
    "works": text("succeeded"),
}


#: Of erasures, the digest is of other values.
_SEARCHED_TEXTS = text("keyed digest of the searched texts")
_HIDDEN = {"wait", "whole"}  # keys that mean nothing to people
_RUN = "automate_core.executionrun"
_ERASURE = "automate_core.erasure"
_SITE = "automate_governance.sitepermission"
_RERUN_STARTS = {"failed": text("failed step"), "start": text("beginning")}
_REVIEWED = {"succeeded": text("succeeded"), "failed": text("failed"), "again": text("run again")}


@dataclass(frozen=True, kw_only=True)
class ValueChange:
    """One value; `before` is None without a comparison."""

    name: str
    before: str | None
    after: str


@dataclass(frozen=True, kw_only=True)
class EntryRow:
    """An entry. `url` is empty without a page, or once the object is deleted; `history` lists all entries of the
    object; `source` is empty for a browser; `comparison` is the URL of the comparison with the version before.

    `erased` says what was erased of it, when and by whom, and `erasure` lists the entry about it. `is_altered` is
    as `altered_entries` tells.
    """

    entry: AuditEntry
    source: str
    action: str
    kind: str
    name: str
    url: str
    history: str
    changes: list[ValueChange]
    comparison: str = ""
    erased: str = ""
    erasure: str = ""
    is_altered: bool = False


@dataclass(frozen=True, kw_only=True)
class EntryPage(KeysetPage):
    """A page of entries, newest first."""

    question: AuditFilters


def entry_page(question: AuditFilters, last: AuditEntry | None, *, after: int | None, before: int | None) -> EntryPage:
    """Entries below the key `after`, or the nearest above `before`, marked by the last verification."""
    entries = question.entries().select_related("link")
    if before:
        found = list(entries.filter(pk__gt=before).order_by("pk")[: ON_A_PAGE + 1])
        more, rows = len(found) > ON_A_PAGE, found[:ON_A_PAGE][::-1]
    else:
        found = list((entries.filter(pk__lt=after) if after else entries).order_by("-pk")[: ON_A_PAGE + 1])
        more, rows = len(found) > ON_A_PAGE, found[:ON_A_PAGE]
    shown = list(build_entry_rows(rows, last))
    sides: dict[str, Any] = {
        **keyset_links(shown, question.params, lambda row: row.entry.pk, more=more, after=after, before=before)
    }
    return EntryPage(
        rows=shown,
        tabs=[],
        search=question.params.get("q", ""),
        filtered=bool(question.params),
        question=question,
        **sides,
    )


def empty_page(question: AuditFilters) -> EntryPage:
    """A page without entries, for invalid filters or a timeout."""
    return EntryPage(rows=[], tabs=[], search=question.params.get("q", ""), filtered=True, question=question)


def build_entry_rows(entries: Iterable[AuditEntry], last: AuditEntry | None) -> Iterator[EntryRow]:
    """Rows of the entries, marked by the last verification. Queries for the names of steps and for erasures."""
    listed = [(entry, audit.readable_changes(entry)) for entry in entries]
    known = audit.erasures(entry for entry, _changes in listed)
    altered = audit.altered_entries((entry for entry, _changes in listed), last)
    steps = find_step_names(
        entry.object_id for entry, changes in listed if entry.object_type == _RUN and changes.get("step")
    )
    for entry, recorded in listed:
        changes = _named(entry, recorded, steps)
        yield EntryRow(
            entry=entry,
            source=_source_text(entry),
            action=action_label(entry.verb),
            kind=translated(KINDS.get(entry.object_type, "")) or _kind_name(entry.object_type),
            name="" if entry.object_type == _SITE else entry.object,  # there is one site, its kind says enough
            url=_object_url(entry.object_type, entry.object_id),
            history=query_string({"about": f"{entry.object_type}:{entry.object_id}"}),
            changes=[
                shown
                for name, value in changes.items()
                if name not in _HIDDEN
                for shown in (_edited(value) if name == "edits" else [_value_change(entry.object_type, name, value)])
            ],
            comparison=_comparison_url(entry),
            is_altered=entry.pk in altered,
            **_erasure(entry, known),
        )


def _erasure(entry: AuditEntry, known: Mapping[int, audit.Erasure]) -> dict[str, str]:
    found = [known[key] for key in dict.fromkeys(entry.erased.values()) if key in known]
    if not found:
        return {}
    last = max(found, key=lambda each: each.entry_id)
    says = _("Erased on %(time)s by %(person)s") % {"time": format_exact(last.at), "person": last.by}
    return {"erased": says, "erasure": query_string({"entry": str(last.entry_id)})}


def _comparison_url(entry: AuditEntry) -> str:
    """The page that compares a published version with the one before; empty for the first."""
    version = entry.changes.get("version")
    if entry.verb != "workflow.published" or not isinstance(version, int):
        return ""
    before = entry.changes.get("previous", version - 1)
    if not before or not entry.object_id.isdecimal():
        return ""
    return f"{reverse('studio:versions_compare', args=[entry.object_id])}?from={before}&to={version}"


def _edited(lines: Any) -> Iterator[ValueChange]:
    """Fields of steps, triggers and the workflow, as `recorded_changes` records them."""
    for line in lines if isinstance(lines, list) else ():
        where = translated(line.get("in", ""))
        if "what" in line:
            yield ValueChange(name=where, before=None, after=_value_text(line["what"]))
            continue
        name = f"{where}: {translated(line.get('field', ''))}"
        before = _value_text(line["from"]) if "from" in line else None
        yield ValueChange(name=name, before=before, after=_value_text(line.get("to")))


def _source_text(entry: AuditEntry) -> str:
    """`Command line, system user deploy`; empty for a browser, which needs no word."""
    if entry.source in ("", Source.BROWSER):
        return ""
    source = str(Source(entry.source).label)
    if entry.credential:
        return _("%(source)s, token %(token)s") % {"source": source, "token": entry.credential}
    if not entry.system_user:
        return source
    return _("%(source)s, system user %(user)s") % {"source": source, "user": entry.system_user}


def _value_name(object_type: str, name: str) -> str:
    if name == "digest" and object_type == _ERASURE:
        return translated(_SEARCHED_TEXTS)
    if name in _VALUE_NAMES:
        return translated(_VALUE_NAMES[name])
    try:
        field = apps.get_model(object_type)._meta.get_field(name)
    except (LookupError, ValueError, FieldDoesNotExist):
        return _(name.replace("_", " "))  # of a hand-over: the kinds of objects, which other catalogues have
    return str(getattr(field, "verbose_name", name))


def _named(entry: AuditEntry, changes: Mapping[str, Any], steps: StepNames) -> Mapping[str, Any]:
    """Values of an entry with words in place of codes, and the names of its step and outcome in place of their keys."""
    if entry.verb == "retention.changed":  # recorded as pairs
        pairs = {name: value for name, value in changes.items() if isinstance(value, list) and len(value) == 2}
        return {**changes, **{name: {"from": old, "to": new} for name, (old, new) in pairs.items()}}
    if changes.get("step") == START:
        return {**changes, "step": translated(text("trigger"))}
    if entry.verb == "run.retried" and changes.get("start") in _RERUN_STARTS:
        return {**changes, "start": translated(_RERUN_STARTS[changes["start"]])}
    path = changes.get("step")
    step = steps.get((entry.object_id, key_of(path))) if path and isinstance(path, str) else None
    if step is None:
        return changes
    named = {"step": f"{step.name} ({path})" if "[" in str(path) else step.name}
    key = str(changes.get("outcome", ""))
    if key in step.outcomes:
        named["outcome"] = step.outcomes[key]
    elif key in _REVIEWED and entry.verb == "run.reviewed":
        named["outcome"] = translated(_REVIEWED[key])
    return {**changes, **named}


def _value_change(object_type: str, name: str, value: Any) -> ValueChange:
    label = _value_name(object_type, name)
    if isinstance(value, dict) and value.keys() == {"from", "to"}:
        return ValueChange(name=label, before=_value_text(value["from"]), after=_value_text(value["to"]))
    if name == "verbs" and isinstance(value, list):
        value = [permission_word(str(verb)) for verb in value]
    if name == "roles" and isinstance(value, list):
        value = [group_label(str(role)) for role in value]
    if name == "filters" and isinstance(value, dict):
        value = {_value_name("", str(each)): given for each, given in value.items()}
    if name == "with" and isinstance(value, str):
        value = _grantee_text(value)
    return ValueChange(name=label, before=None, after=_value_text(value))


def _grantee_text(value: str) -> str:
    """`group Builders` and `user olga`, as grants are recorded, in the active language."""
    kind, _separator, name = value.partition(" ")
    match kind:
        case "group":
            return _("group %(name)s") % {"name": group_label(name)}
        case "user":
            return _("user %(name)s") % {"name": name}
    return value


def _value_text(value: Any) -> str:
    if value is None or value == "":
        return _("empty")
    if isinstance(value, Text):
        return translated(value)
    if value == audit.CHANGED:
        return _("changed")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_value_text(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(translated(each) if isinstance(each, Text) else str(each) for each in value)
    return str(value)


def _kind_name(object_type: str) -> str:
    try:
        return capfirst(str(apps.get_model(object_type)._meta.verbose_name))
    except (LookupError, ValueError):  # of an app that is gone
        return object_type


def _object_url(object_type: str, key: str) -> str:
    try:
        return reverse(f"admin:{object_type.replace('.', '_')}_change", args=[key])
    except NoReverseMatch:
        return ""
