"""The digest of a published definition, which the audit trail holds."""

from __future__ import annotations

import hashlib
import json
from typing import Any

DIGEST = "definition_sha256"  # name of the fact in an audit entry


def definition_digest(document: Any) -> str:
    """SHA-256 of the document as JSON without spaces, its names in their order."""
    return hashlib.sha256(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
