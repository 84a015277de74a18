"""SFTP connector: files on servers that are reached by SSH. It needs the extra `sftp`."""

from __future__ import annotations

import time
from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError, unknown_action, unknown_poll
from automate_connectors.adapters.extras import missing_extra
from automate_connectors.adapters.polls import PollResult
from automate_connectors.adapters.sftp.actions import SFTP_ACTIONS
from automate_connectors.adapters.sftp.polls import NEW_FILE, find_new_files
from automate_connectors.adapters.sftp.session import open_session, path_of, read_fingerprints
from automate_connectors.context import Context
from automate_egress import EgressError
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

_ACTIONS = {each.action.name: each for each in SFTP_ACTIONS}


class SftpConnector(ConnectorAdapter):
    """Lists, downloads, uploads and moves files. No server is signed in to before its host key is known."""

    code = "sftp"
    name = "SFTP"
    description = text("Download, upload and move files on an SFTP server")
    icon = "folder_shared"
    hue = 130
    takes_sign_in = False
    config_fields = (
        FieldSpec(name="host", label=text("Host"), required=True, help=text("For example sftp.example.com")),
        FieldSpec(name="port", label=text("Port"), kind=FieldKind.INTEGER, default=22),
        FieldSpec(name="username", label=text("Username"), required=True),
        FieldSpec(
            name="fingerprint",
            label=text("Host key fingerprint"),
            kind=FieldKind.LONG_TEXT,
            help=text(
                "Begins with SHA256:. Ask the operator of the server. If it is empty, no step signs in, and the test"
                " shows the fingerprint of the server, to compare."
            ),
        ),
        FieldSpec(name="password", label=text("Password"), kind=FieldKind.SECRET),
        FieldSpec(
            name="private_key",
            label=text("Private key"),
            kind=FieldKind.SECRET,
            help=text("In OpenSSH or PEM format, in place of a password"),
        ),
        FieldSpec(name="passphrase", label=text("Passphrase of the private key"), kind=FieldKind.SECRET),
    )
    actions = tuple(each.action for each in SFTP_ACTIONS)
    polls = (NEW_FILE,)

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
        found = _ACTIONS.get(action)
        if found is None:
            raise unknown_action(self.code, action)
        with open_session(context) as session:
            context["log"](f"SFTP {action} {params.get('path') or params.get('folder')}")
            return found.run(session, params, context)

    def describe(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The action with its server and path."""
        path = path_of(params, "folder" if action == "list_files" else "path")
        place = f"{(context.get('connection') or {}).get('host', '')}:{path}"
        label = self.action(action).label
        return {"summary": text("%(action)s: %(place)s", action=label, place=place), "action": action, **params}

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """The files of the folder, by name; those of before come again with the same id."""
        if name != NEW_FILE.name:
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
