"""The passphrase of an archive: from the environment, or asked for on a terminal."""

from __future__ import annotations

import getpass
import os
import sys

from automate_operations.backup.errors import BackupError

VARIABLE = "AUTOMATE_BACKUP_PASSPHRASE"
SHORTEST = 12


def new_passphrase(*, asked: bool) -> str:
    """The passphrase for a new archive; empty when none is given and none was asked for. Raises BackupError."""
    given = os.environ.get(VARIABLE, "") or (_prompt("Passphrase: ") if asked else "")
    if (given or asked) and len(given) < SHORTEST:
        raise BackupError(f"The passphrase must have at least {SHORTEST} characters.")
    if given and VARIABLE not in os.environ and _prompt("Again: ") != given:
        raise BackupError("The two passphrases differ.")
    return given


def known_passphrase() -> str:
    """The one of an archive. Raises BackupError."""
    return os.environ.get(VARIABLE, "") or _prompt("Passphrase: ")


def _prompt(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise BackupError(f"The passphrase cannot be asked for without a terminal. Set {VARIABLE}.")
    return getpass.getpass(prompt)
