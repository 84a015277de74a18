"""The text that an entry is hashed over, and the values beside it that can be erased.

The text holds the time, the verb, the object's key, the source, facts that name no person, and of each part of the
values a salted SHA-256. The values and the salts are columns: the chain stays whole without them.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any, Literal

from automate_governance.models import AUDIT_PARTS, AuditEntry

type Part = Literal["actor", "content"]

#: What can be erased, part by part: who did it from where, and to what with which values.
PARTS: dict[Part, tuple[str, ...]] = AUDIT_PARTS
KEPT = ("at", "verb", "object_type", "object_id", "source")  # columns that the text holds in clear
DIGESTS = "digests"  # name in the text; those of older versions hold every column in clear instead
FACTS = "facts"


def canonical_text(values: dict[str, Any]) -> str:
    """JSON with sorted keys and no spaces."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def make_salts() -> dict[str, str]:
    """Salts for a new entry: without its salt, a digest tells nothing about an erased value."""
    return {part: secrets.token_hex(16) for part in PARTS}


def hashed_text(values: Mapping[str, Any], salts: Mapping[str, str], facts: Mapping[str, Any]) -> str:
    """The canonical text of an entry with these values."""
    digests = {part: digest_of(part, values, salts[part]) for part in PARTS}
    known = {FACTS: dict(facts)} if facts else {}
    return canonical_text({name: values[name] for name in KEPT} | {DIGESTS: digests} | known)


def digest_of(part: Part, values: Mapping[str, Any], salt: str) -> str:
    """SHA-256 of the salt and the canonical text of the part's values."""
    return hashlib.sha256((salt + canonical_text({name: values[name] for name in PARTS[part]})).encode()).hexdigest()


def columns_of(entry: AuditEntry) -> dict[str, Any]:
    """The columns of an entry as they are hashed."""
    names = (*KEPT, *(name for names in PARTS.values() for name in names))
    return {name: getattr(entry, name) for name in names} | {"at": entry.at.isoformat()}


def recorded_facts(entry: AuditEntry) -> dict[str, Any]:
    """What an entry says in the chained text itself, so that it is there after an erasure; of old ones the changes."""
    try:
        recorded = json.loads(entry.canonical)
    except ValueError:
        return {}
    if not isinstance(recorded, dict):
        return {}
    facts = recorded.get(FACTS, {}) if DIGESTS in recorded else recorded.get("changes", {})
    return facts if isinstance(facts, dict) else {}
