"""The terms of a sign-in: the client and provider, and the hosts that its tokens may be sent to.

Tokens are valid only for the terms under which the person signed in, however the connection changes later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set
from typing import TYPE_CHECKING, Any

from automate_connectors.oauth.setup import NOTES, PROOFS

if TYPE_CHECKING:
    from automate_connectors.models import Connection


def terms_hash(connection: Connection) -> str:
    """Return the SHA-256 of all settings that decide where a connection's secrets are sent."""
    return _hash([connection.connector, connection.config, _without(connection, NOTES), connection.allowed_hosts])


def issuer_hash(connection: Connection) -> str:
    """Return the SHA-256 of provider, client, scopes and URLs: tokens of another issuer are useless."""
    return _hash(_without(connection, NOTES | PROOFS))


def _without(connection: Connection, names: Set[str]) -> Any:
    oauth = connection.oauth
    return {name: value for name, value in oauth.items() if name not in names} if isinstance(oauth, dict) else oauth


def _hash(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
