"""The terms of a sign-in: the client and provider, and the hosts that its tokens may be sent to.

Tokens are valid only for the terms under which the person signed in, however the connection changes later.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automate_connectors.models import Connection


def terms_hash(connection: Connection) -> str:
    """Return the SHA-256 of all settings that decide where a connection's secrets are sent."""
    return _hash([connection.connector, connection.config, connection.oauth, connection.allowed_hosts])


def issuer_hash(connection: Connection) -> str:
    """Return the SHA-256 of provider, client, scopes and URLs: tokens of another issuer are useless."""
    return _hash({name: value for name, value in connection.oauth.items() if name != "client_secret"})


def _hash(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
