"""Sessions of the SFTP connector: the connection's settings, and paths of steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.extras import from_extra
from automate_connectors.context import Context
from automate_connectors.oauth.pem import pem_blocks
from automate_connectors.web import invalid_input
from automate_plugins import text

if TYPE_CHECKING:
    from automate_egress.sftp import SftpSession

MAX_PATH = 1_000
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}", re.ASCII)


def read_fingerprints(written: str) -> frozenset[str]:
    """Return the fingerprints of a setting, one a line or separated by spaces. Raises ConnectorError for others."""
    found = frozenset(each.rstrip("=") for each in written.split())
    for each in found:
        if not _FINGERPRINT.fullmatch(each):
            raise invalid_input(
                text("%(value)s is not a fingerprint. It begins with SHA256: and has 43 characters.", value=each[:80])
            )
    return found


@contextmanager
def open_session(context: Context) -> Iterator[SftpSession]:
    """Open a session on the connection's server. Raises ConnectorError, EgressError."""
    with from_extra("sftp"):
        from automate_egress.sftp import SftpServer, sftp
    connection = context["connection"]
    if not connection:
        raise invalid_input(text("Select an SFTP connection."))
    server = SftpServer(
        host=connection["host"],
        port=connection.get("port") or 22,
        username=connection["username"],
        fingerprints=read_fingerprints(connection.get("fingerprint") or ""),
        password=connection.get("password") or "",
        private_key=_private_key(connection.get("private_key") or ""),
        passphrase=connection.get("passphrase") or "",
    )
    if not server.password and not server.private_key:
        raise ConnectorError(
            text("The connection has neither a password nor a private key."), code="authentication_failed"
        )
    with sftp(context["network"], server) as session:
        yield session


def _private_key(written: str) -> str:
    """Return a key with its line breaks; what has none of PEM's blocks, as it is."""
    found = (block for label, block in pem_blocks(written).items() if "PRIVATE KEY" in label)
    return next((block.decode() for block in found), written)


def path_of(params: Mapping[str, Any], name: str) -> str:
    """Return the path in an input, as it is written. Raises ConnectorError for what cannot be one."""
    path = str(params.get(name) or "").strip()
    if not path or len(path) > MAX_PATH or any(ord(each) < 32 for each in path):
        raise invalid_input(
            text("%(name)s must be a path of up to %(count)s characters on one line.", name=name, count=MAX_PATH)
        )
    return path
