"""SFTP connector: files on servers that are reached by SSH. It needs the extra `sftp`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError, unknown_action, unknown_poll
from automate_connectors.adapters.extras import missing_extra
from automate_connectors.adapters.polls import PollResult
from automate_connectors.adapters.sftp.actions import MAX_FOUND, SFTP_ACTIONS
from automate_connectors.adapters.sftp.polls import find_new_files
from automate_connectors.adapters.sftp.session import open_session, path_of, read_fingerprints
from automate_connectors.adapters.tables import read_tables
from automate_connectors.context import Context
from automate_egress import EgressError
from automate_plugins import text

_TABLES = read_tables(Path(__file__).with_name("tables.yaml"), max_items=MAX_FOUND)


class SftpConnector(ConnectorAdapter):
    """Lists, downloads, uploads and moves files. No server is signed in to before its host key is known."""

    code = "sftp"
    name = "SFTP"
    description = text("Download, upload and move files on an SFTP server")
    icon = "folder_shared"
    hue = 130
    takes_sign_in = False
    config_fields = _TABLES.settings
    actions = _TABLES.actions
    polls = _TABLES.polls

    @property
    def missing(self) -> str:
        """The extra, where it is not installed."""
        return missing_extra("sftp", "asyncssh")

    def validate_config(self, config: dict[str, Any]) -> None:
        """Check the fingerprints and that there is something to sign in with. Raises ConnectorError, ValueError."""
        if reason := self.missing:
            raise ConnectorError(reason, code="extra_missing")
        read_fingerprints(config.get("fingerprint") or "")
        if not config.get("password") and not config.get("private_key"):
            raise ValueError(text("Enter a password or a private key."))

    def own_hosts(self, config: dict[str, Any]) -> tuple[str, ...]:
        """The server."""
        return (config["host"],) if isinstance(config.get("host"), str) else ()

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Perform the action in a session of its own."""
        perform = SFTP_ACTIONS.get(action)
        if perform is None:
            raise unknown_action(self.code, action)
        with open_session(context) as session:
            context["log"](f"SFTP {action} {params.get('path') or params.get('folder')}")
            return perform(session, params, context)

    def describe(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The action with its server and path."""
        path = path_of(params, "folder" if action == "list_files" else "path")
        place = f"{(context.get('connection') or {}).get('host', '')}:{path}"
        label = self.action(action).label
        return {"summary": text("%(action)s: %(place)s", action=label, place=place), "action": action, **params}

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """The files of the folder, by name; those of before come again with the same id."""
        if name != "new_file":
            raise unknown_poll(self.code, name)
        folder = path_of(params, "folder")
        with open_session(context) as session:
            context["log"](f"SFTP {name} {folder}")
            return find_new_files(session.entries(folder), {**params, "folder": folder}, cursor, time.time())

    def check_connection(self, context: Context) -> str:
        """Sign in and look where the session begins."""
        connection = context["connection"]
        try:
            with open_session(context) as session:
                home = session.home()
        except EgressError as error:
            code = "needs_reconnect" if error.code in ("authentication_failed", "host_key_unknown") else error.code
            raise ConnectorError(str(error), code=code, retryable=error.retryable) from error
        user = connection["username"]
        return text(
            "Signed in to %(name)s as %(user)s, in %(folder)s.", name=connection["host"], user=user, folder=home
        )
