"""The audit trail: entries are written in the transaction of the change that they record."""

from __future__ import annotations

import csv
import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.signing import Signer
from django.db import models
from django.utils import timezone, translation
from django.utils.crypto import constant_time_compare

from automate_governance.models import AuditEntry, AuditLink
from automate_governance.people import origin
from automate_governance.redaction.redactor import redact, redact_text
from automate_governance.redaction.token_patterns import is_secret_name
from automate_governance.secrets.resolver import is_reference
from automate_governance.texts import kept_text
from automate_plugins import text
from automate_plugins.texts import Text, plain, restored

_COLUMNS_ADDED_LATER = (
    "source",
    "system_user",
    "credential",
)  # columns that the texts of the first entries do not hold


EXPORT_SALT = "automate.audit-export"
TEXTS = "texts"  # name among the changes: what marked texts among them are translated from
CHANGED = "changed"  # stands for a value that is not recorded
MAX_VALUE_LENGTH = 500  # characters of a value


def record(
    actor: AbstractBaseUser | AnonymousUser | None,
    verb: str,
    obj: models.Model,
    *,
    changes: dict[str, Any] | None = None,
    trace_id: str = "",
) -> AuditEntry:
    """Write one entry. Call it in the transaction that makes the change: both commit or neither.

    `actor` None is the system itself. `changes` is a JSON-like summary without secret values; a marked text in it is
    recorded in English, and translated by `readable_changes`. Source and address come from `origin.current_origin`.
    """
    current = origin.current_origin()
    values = {
        "at": timezone.now().isoformat(),
        "actor_id": str(actor.pk) if actor and actor.pk else "",
        "actor": (actor.get_username()[:200] or "nobody") if actor else "system",
        "verb": verb,
        "object_type": obj._meta.label_lower,
        "object_id": str(obj.pk),
        "object": redact_text(_plain_name(obj))[:200],
        "changes": _mask_changes(changes or {}),
        "trace_id": trace_id,
        "address": current.address,
        "source": current.source.value,
        "system_user": current.system_user,
        "credential": current.credential,
    }
    return AuditEntry.objects.create(**values, canonical=canonical_text(values))


def _plain_name(obj: models.Model) -> str:
    """Return the name of an object, the same in every language."""
    with translation.override(None):
        return str(obj)


def kind_of(model: type[models.Model]) -> str:
    """Return the first part of audit codes about a model, such as `webhook` of `webhook.created`.

    It is the model's `audit_kind`, else its verbose name, and the same in every language.
    """
    with translation.override(None):
        return str(getattr(model, "audit_kind", "") or model._meta.verbose_name)


def differences(
    before: models.Model, after: models.Model, *, only: Iterable[str] | None = None, without: Iterable[str] = ()
) -> dict[str, Any]:
    """Return {"from", "to"} of every field that differs between two states of a row; long texts are truncated.

    Mappings are compared key by key; of binary columns and passwords only CHANGED is recorded. `only` names the fields
    that were saved.
    """
    found: dict[str, Any] = {}
    for field in after._meta.concrete_fields:
        if field.primary_key or field.name in without or (only is not None and field.name not in only):
            continue
        old, new = field.value_from_object(before), field.value_from_object(after)
        if isinstance(old, dict) and isinstance(new, dict):
            for name in sorted(old.keys() | new.keys()):
                found |= difference(name, old.get(name), new.get(name))
        elif isinstance(field, models.BinaryField) or field.name == "password":
            found |= {field.name: CHANGED} if old != new else {}
        else:
            found |= difference(field.name, old, new)
    return found


def difference(name: str, old: Any, new: Any) -> dict[str, Any]:
    """Return the difference of one value as in `differences`; empty when both are equal."""
    if old == new:
        return {}
    if is_secret_name(name) and not all(each in (None, "") or is_reference(str(each)) for each in (old, new)):
        return {name: CHANGED}
    shown = {"from": _shown_value(old), "to": _shown_value(new)}
    return {name: shown} if shown["from"] != shown["to"] else {}


def _mask_changes(changes: dict[str, Any]) -> dict[str, Any]:
    """Mask secret values; CHANGED is kept under any name."""
    masked: dict[str, Any] = redact({name: _unmarked(value) for name, value in changes.items()})
    masked |= {name: CHANGED for name, value in changes.items() if value == CHANGED and name in masked}
    texts = {name: kept for name, value in changes.items() if (kept := _kept_texts(value, masked.get(name)))}
    return masked | ({TEXTS: texts} if texts else {})


def _unmarked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unmarked(each) for each in value]
    return plain(value) if isinstance(value, Text) else value


def _kept_texts(value: Any, shown: Any) -> Any:
    """Return what a marked text, or a list of them, is translated from; None for other values."""
    if isinstance(value, list) and isinstance(shown, list) and any(isinstance(each, Text) for each in value):
        return [_kept_texts(each, says) for each, says in zip(value, shown, strict=False)]
    return kept_text(value, shown) if isinstance(value, Text) and isinstance(shown, str) else None


def _restored(kept: Any, value: Any) -> Any:
    if isinstance(kept, list) and isinstance(value, list) and len(kept) == len(value):
        return [_restored(each, says) for each, says in zip(kept, value, strict=True)]
    return restored(kept, value) if isinstance(kept, dict) and isinstance(value, str) else value


def readable_changes(entry: AuditEntry) -> dict[str, Any]:
    """Return the recorded changes that hold a value, with marked texts, which `translated` shows in a language."""
    texts = entry.changes.get(TEXTS)
    texts = texts if isinstance(texts, dict) else {}
    return {
        name: _restored(texts.get(name), value)
        for name, value in entry.changes.items()
        if not (name == TEXTS and texts) and value not in ("", [], {}, None)
    }


def _shown_value(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text.strip('"')[:MAX_VALUE_LENGTH]


def canonical_text(values: dict[str, Any]) -> str:
    """The text an entry is hashed over: JSON with sorted keys and no spaces."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def chain_head() -> str:
    """Return the hash of the newest link. Keep it elsewhere: `verify(head=...)` then notices a truncated chain."""
    newest = AuditLink.objects.order_by("-position").values_list("hash", flat=True).first()
    return newest or ""


def sign_export(digest: str, entries: int, head: str) -> str:
    """Return the last line of an export: the SHA-256 of the lines before it, signed with this site's key."""
    summary = {"sha256": digest, "entries": entries, "head": head, "at": timezone.now().isoformat(timespec="seconds")}
    return canonical_text(summary | {"signature": Signer(salt=EXPORT_SALT).signature(canonical_text(summary))})


def verify_export(exported: bytes) -> Iterator[str]:
    """Yield a sentence for every fault of an exported file; nothing for an unchanged one."""
    body, _, last = exported.rstrip(b"\n").rpartition(b"\n")
    try:
        [line] = csv.reader([last.decode()]) if not last.startswith(b"{") else [[last.decode()]]
        summary = json.loads(line[0].removeprefix("#"))
        signature = summary.pop("signature")
    except (ValueError, AttributeError, IndexError, KeyError, UnicodeDecodeError):
        yield text("the last line is not a signature")
        return
    if not constant_time_compare(signature, Signer(salt=EXPORT_SALT).signature(canonical_text(summary))):
        yield text("the signature was not made by this site")
    if hashlib.sha256(body + b"\n" if body else b"").hexdigest() != summary.get("sha256"):
        yield text("the entries differ from the exported ones")
    if summary.get("head") and not AuditLink.objects.filter(hash=summary["head"]).exists():
        yield text("the head %(head)s is not in the chain: entries were removed", head=summary["head"])


class VerificationTimeout(Exception):
    """The chain is longer than could be checked in the given time."""


def verify(*, head: str = "", seconds: float | None = None) -> Iterator[str]:
    """Yield a sentence for every fault of the chain; nothing for an intact one.

    Positions follow each other, each link holds the hash of its predecessor and of its entry, each entry has one link
    and its columns match its canonical text, and the hash of an earlier `head` is still there. Raises
    VerificationTimeout after `seconds`.
    """
    ends = None if seconds is None else time.monotonic() + seconds
    previous: AuditLink | None = None
    found_head = not head
    for link in AuditLink.objects.select_related("entry").order_by("position").iterator(chunk_size=2000):
        if ends is not None and time.monotonic() > ends:
            raise VerificationTimeout
        yield from _faults(link, previous)
        found_head = found_head or link.hash == head
        previous = link
    for entry in AuditEntry.objects.filter(link=None).values_list("pk", flat=True):
        yield text("entry %(entry)s has no link", entry=str(entry))
    if not found_head:
        yield text("the head %(head)s is not in the chain: entries at its end were removed", head=head)


def _faults(link: AuditLink, previous: AuditLink | None) -> Iterator[str]:
    expected = previous.position + 1 if previous else 1
    if link.position != expected:
        yield text("position %(position)s is missing", position=str(expected))
    if link.previous != (previous.hash if previous else ""):
        yield text("position %(position)s does not follow the previous one", position=str(link.position))
    if link.hash != hashlib.sha256((link.previous + link.entry.canonical).encode()).hexdigest():
        yield text("position %(position)s was altered", position=str(link.position))
    recorded = json.loads(link.entry.canonical)
    columns = {name: getattr(link.entry, name) for name in recorded}
    columns["at"] = link.entry.at.isoformat()
    added_since = (getattr(link.entry, name) for name in _COLUMNS_ADDED_LATER if name not in recorded)
    if canonical_text(columns) != link.entry.canonical or any(added_since):
        yield text("entry %(entry)s does not match its record", entry=str(link.entry_id))
