"""Values of audit entries: before and after, without secrets, and as texts that can be translated."""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import json
import uuid
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from django.db import models
from django.db.models import Expression, Value
from django.utils.functional import Promise

from automate_governance.audit.content import recorded_facts
from automate_governance.models import AuditEntry
from automate_governance.redaction.redactor import redact
from automate_governance.redaction.token_patterns import is_secret_name
from automate_governance.secrets.resolver import is_reference
from automate_governance.texts import kept_text
from automate_plugins.texts import Text, plain, restored

TEXTS = "texts"  # name among the changes: what marked texts among them are translated from
CHANGED = "changed"  # stands for a value that is not recorded
MAX_VALUE_LENGTH = 500  # characters of a value
_WITH_WORDS = (dt.date, dt.time, dt.timedelta, decimal.Decimal, uuid.UUID, PurePath, Promise, models.Model)


def differences(
    before: models.Model, after: models.Model, *, only: Iterable[str] | None = None, without: Iterable[str] = ()
) -> dict[str, Any]:
    """Return {"from", "to"} of every field that differs between two states of a row; long texts are shortened.

    Mappings are compared key by key; of binary columns and passwords only CHANGED is recorded. `only` names the fields
    that were saved.
    """
    found: dict[str, Any] = {}
    for field in after._meta.concrete_fields:
        if field.primary_key or field.name in without or (only is not None and field.name not in only):
            continue
        old, new = (_value_of(field, state) for state in (before, after))
        if isinstance(old, dict) and isinstance(new, dict):
            for name in sorted(old.keys() | new.keys()):
                found |= difference(name, old.get(name), new.get(name))
        elif isinstance(field, models.BinaryField) or field.name == "password":
            found |= {field.name: CHANGED} if old != new else {}
        else:
            found |= difference(field.name, old, new)
    return found


def _value_of(field: models.Field[Any, Any], row: models.Model) -> Any:
    """Return the value of a field; of a row that was never saved, what the database would give it."""
    value = field.value_from_object(row)
    if not isinstance(value, Expression):
        return value
    default = field.db_default
    return default.value if isinstance(default, Value) else default if not isinstance(default, Expression) else None


def difference(name: str, old: Any, new: Any) -> dict[str, Any]:
    """Return the difference of one value as in `differences`; empty when both are equal."""
    if old == new:
        return {}
    if is_secret_name(name) and not all(each in (None, "") or is_reference(str(each)) for each in (old, new)):
        return {name: CHANGED}
    shown = {"from": shown_value(old), "to": shown_value(new)}
    return {name: shown} if shown["from"] != shown["to"] else {}


def mask_changes(changes: dict[str, Any]) -> dict[str, Any]:
    """Mask secret values; CHANGED is kept under any name."""
    masked: dict[str, Any] = redact({name: _unmarked(value) for name, value in changes.items()})
    masked |= {name: CHANGED for name, value in changes.items() if value == CHANGED and name in masked}
    texts = {name: kept for name, value in changes.items() if (kept := _kept_texts(value, masked.get(name)))}
    return masked | ({TEXTS: texts} if texts else {})


def _unmarked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unmarked(each) for each in value]
    if isinstance(value, dict):
        return {name: _unmarked(each) for name, each in value.items()}
    return plain(value) if isinstance(value, Text) else value


def _kept_texts(value: Any, shown: Any) -> Any:
    """Return what marked texts, also within lists and mappings, are translated from; None where there are none."""
    if isinstance(value, list) and isinstance(shown, list):
        found = [_kept_texts(each, says) for each, says in zip(value, shown, strict=False)]
        return found if any(found) else None
    if isinstance(value, dict) and isinstance(shown, dict):
        return {name: kept for name, each in value.items() if (kept := _kept_texts(each, shown.get(name)))} or None
    return kept_text(value, shown) if isinstance(value, Text) and isinstance(shown, str) else None


def _restored(kept: Any, value: Any) -> Any:
    """Put the texts back: `kept` has the shape of `value`, with what a text is translated from in its place."""
    if isinstance(kept, list) and isinstance(value, list) and len(kept) == len(value):
        return [_restored(each, says) for each, says in zip(kept, value, strict=True)]
    if isinstance(kept, dict) and isinstance(value, dict):
        return {name: _restored(kept.get(name), each) for name, each in value.items()}
    return restored(kept, value) if isinstance(kept, dict) and isinstance(value, str) else value


def readable_changes(entry: AuditEntry) -> dict[str, Any]:
    """Return the recorded changes that hold a value, with marked texts, which `translated` shows in a language.

    Of erased ones, the facts, which name no person.
    """
    changes = recorded_facts(entry) if "content" in entry.erased else entry.changes
    texts = changes.get(TEXTS)
    texts = texts if isinstance(texts, dict) else {}
    return {
        name: _restored(texts.get(name), value)
        for name, value in changes.items()
        if not (name == TEXTS and texts) and value not in ("", [], {}, None)
    }


def shown_value(value: Any) -> Any:
    """Return a value as it is recorded: numbers as they are, others as texts without secrets, long ones shortened."""
    if value is None or isinstance(value, bool | int | float):
        return value
    masked = redact(_unmarked(value))
    return shortened(masked if isinstance(masked, str) else json.dumps(masked, default=_no_repr, ensure_ascii=False))


def _no_repr(value: Any) -> str:
    """Write what JSON has no form for; of an object that has no words of its own, that it changed."""
    return str(value) if isinstance(value, _WITH_WORDS) else CHANGED


def shortened(value: str) -> str:
    """Return a text as it is recorded: of a long one the beginning, its length and its SHA-256."""
    value = value.strip('"')
    if len(value) <= MAX_VALUE_LENGTH:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()
    return f"{value[:MAX_VALUE_LENGTH]}… ({len(value)} characters, SHA-256 {digest})"
