"""Erasure of the values of entries that name a person. The chain stays whole, and says what was erased."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from automate_governance.audit.content import PARTS, Part, columns_of, hashed_text, make_salts, recorded_facts
from automate_governance.audit.recording import record
from automate_governance.models import ERASED, AuditEntry
from automate_governance.permissions import SITE

MAX_ENTRIES = 500  # that one entry about an erasure names
_EMPTY: dict[str, Any] = {"changes": {}}  # of columns that are not texts


@transaction.atomic
def erase_values(
    entry_ids: Iterable[int],
    *,
    erased_by: AbstractBaseUser | None,
    reason: str,
    parts: Iterable[Part] = ("actor", "content"),
) -> list[AuditEntry]:
    """Erase values of entries, and return the `person.erased` entries that name the erased ones.

    `actor` is who acted, from where and with which token; `content` the object's name, the values and the trace.
    Erased are the values and their salts: verb, object key, time and source stay. `reason` is recorded, so it must not
    name the person. Unknown ids, and parts that were erased before, are left out.
    """
    chosen = [part for part in PARTS if part in set(parts)]
    return [
        erasure
        for ids in itertools.batched(sorted(set(entry_ids)), MAX_ENTRIES)
        if (erasure := _erase(ids, erased_by, reason, chosen))
    ]


def _erase(ids: Iterable[int], erased_by: AbstractBaseUser | None, reason: str, parts: list[Part]) -> AuditEntry | None:
    # The lock keeps two erasures from naming each other's entries
    locked = AuditEntry.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    entries = [entry for entry in locked if any(part not in entry.erased for part in parts)]
    if not entries:
        return None
    rewritten = {str(entry.pk): _rewrite(entry) for entry in entries if not entry.salts and not entry.erased}
    facts: dict[str, Any] = {"entries": [entry.pk for entry in entries], "parts": parts}
    if rewritten:
        facts["rewritten"] = rewritten
    erasure = record(erased_by, ERASED, SITE(pk=0), changes={"reason": reason}, facts=facts)
    for entry in entries:
        marks = [*parts, "canonical"] if str(entry.pk) in rewritten else parts
        entry.erased = {**dict.fromkeys(marks, erasure.pk), **entry.erased}
        entry.salts = {part: salt for part, salt in entry.salts.items() if part not in parts}
        for name in (name for part in parts for name in PARTS[part]):
            setattr(entry, name, _EMPTY.get(name, ""))
    names = {name for part in parts for name in PARTS[part]}
    AuditEntry.objects.bulk_update(entries, [*names, "salts", "erased", "canonical"])
    return erasure


def _rewrite(entry: AuditEntry) -> str:
    """Give an entry of an older version, whose text holds the values, a text with digests; return that text's SHA-256.

    The link's hash is of the old text, so the erasure vouches for the new one.
    """
    entry.salts = make_salts()
    entry.canonical = hashed_text(columns_of(entry), entry.salts, {})
    return hashlib.sha256(entry.canonical.encode()).hexdigest()


@dataclass(frozen=True)
class Erasure:
    """One erasure: its entry, when and by whom."""

    entry_id: int
    at: dt.datetime
    by: str
    facts: Mapping[str, Any]

    def covers(self, entry: AuditEntry, part: str) -> bool:
        """Whether it names this part of the entry."""
        return entry.pk in self.facts.get("entries", ()) and part in self.facts.get("parts", ())

    def vouches_for(self, entry: AuditEntry) -> bool:
        """Whether it says that the text of an older entry was replaced by the present one."""
        digest = hashlib.sha256(entry.canonical.encode()).hexdigest()
        return bool(self.facts.get("rewritten", {}).get(str(entry.pk)) == digest)


def erasures(entries: Iterable[AuditEntry]) -> dict[int, Erasure]:
    """The erasures that these entries refer to, by the id of their own entry. One query, none without erased values."""
    ids = {key for entry in entries for key in entry.erased.values() if isinstance(key, int)}
    found = AuditEntry.objects.filter(pk__in=ids, verb=ERASED) if ids else ()
    return {each.pk: Erasure(each.pk, each.at, each.who, recorded_facts(each)) for each in found}
