"""Tokens on this machine: one file that only its owner can read."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Any

import click

from automate_cli.errors import CommandFailedError, NotAllowedError

_VALID = re.compile(r"dat_[A-Za-z0-9_-]{20,200}")


class Token:
    """An API token. Only `reveal` gives its text, so that no message, log or traceback holds it."""

    def __init__(self, text: str) -> None:
        """Raises NotAllowedError for a text that no token is."""
        self._text = text.strip()
        if not _VALID.fullmatch(self._text):
            raise NotAllowedError("This is not an API token. A token begins with dat_ and has no spaces.")

    def reveal(self) -> str:
        """The text, for the Authorization header and the credentials file."""
        return self._text

    def __repr__(self) -> str:
        return "Token(***)"


class Credentials:
    """The servers that this person signed in to, with the token of each, and the server that is used by default."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or _folder() / "credentials.json"

    def default_server(self) -> str | None:
        """The server of the last sign-in."""
        default = self._read()["default"]
        return default if isinstance(default, str) else None

    def token(self, server: str) -> Token | None:
        """Raises NotAllowedError when others can read the file."""
        entry = self._read()["servers"].get(server)
        return Token(entry["token"]) if isinstance(entry, dict) and isinstance(entry.get("token"), str) else None

    def servers(self) -> list[str]:
        """All servers with a token."""
        return sorted(self._read()["servers"])

    def store(self, server: str, token: Token) -> None:
        """Replace the token of `server`, which becomes the default."""
        content = self._read()
        content["servers"][server] = {"token": token.reveal()}
        self._write({**content, "default": server})

    def replace(self, server: str, token: Token) -> None:
        """Replace the token of `server`, and leave the default."""
        content = self._read()
        content["servers"][server] = {"token": token.reveal()}
        self._write(content)

    def forget(self, server: str) -> bool:
        """Delete the token of `server`. False when there is none."""
        content = self._read()
        if content["servers"].pop(server, None) is None:
            return False
        if content["default"] == server:
            content["default"] = next(iter(sorted(content["servers"])), None)
        self._write(content)
        return True

    def _read(self) -> dict[str, Any]:
        try:
            with self.path.open(encoding="utf-8") as file:
                if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise NotAllowedError(f"Other users can read {self.path}. Run: chmod 600 '{self.path}'")
                content = json.load(file)
        except FileNotFoundError:
            content = {}
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not valid JSON"
            raise CommandFailedError(f"{self.path} cannot be read: {reason}.") from None
        servers = content.get("servers") if isinstance(content, dict) else None
        default = content.get("default") if isinstance(content, dict) else None
        return {"default": default, "servers": servers if isinstance(servers, dict) else {}}

    def _write(self, content: dict[str, Any]) -> None:
        """Other processes see the old file or the new one, and other users cannot read either."""
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=2)
            draft.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise CommandFailedError(f"{self.path} cannot be written: {error.strerror}.") from None


def _folder() -> Path:
    """XDG_CONFIG_HOME where it is set, on every platform; else the platform's own folder."""
    chosen = os.environ.get("XDG_CONFIG_HOME")
    return Path(chosen) / "automate" if chosen and Path(chosen).is_absolute() else Path(click.get_app_dir("automate"))
