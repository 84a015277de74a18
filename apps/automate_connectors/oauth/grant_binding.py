"""What a sign-in was given for: as which client of which provider, and where its tokens may then be sent.

Tokens are handed out for the terms alone under which somebody signed in, however a connection was changed since.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automate_connectors.models import Connection


def terms_hash(connection: Connection) -> str:
    """SHA-256 of all that says where the secrets of a connection go."""
    return _hash([connection.connector, connection.config, connection.oauth, connection.allowed_hosts])


def issuer_hash(connection: Connection) -> str:
    """SHA-256 of the provider, the client, its scopes and URLs: tokens of another issuer are of no use."""
    return _hash({name: value for name, value in connection.oauth.items() if name != "client_secret"})


def _hash(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
