"""The keys that a database is of no use without: those of stored secrets, and Django's SECRET_KEY."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from automate_core.conf import setting
from automate_governance.secrets.keyring import Keyring
from automate_operations.backup.errors import BackupError

SECRETS, DJANGO = "AUTOMATE_SECRETS_KEYS", "SECRET_KEY"


def current_keys() -> dict[str, str]:
    """The keys of the settings, as text: those of secrets one a line, newest first."""
    given = getattr(settings, SECRETS, ())
    listed = [given] if isinstance(given, str) else list(given)
    return {SECRETS: "\n".join(listed), DJANGO: settings.SECRET_KEY}


def check_can_be_used(stored: dict[str, str]) -> None:
    """Raises BackupError where secrets of the archive could not be read, and no file of ours can take their keys."""
    if SECRETS not in stored or SECRETS in setting("AUTOMATE_KEY_FILES"):
        return
    missing = key_ids(stored[SECRETS]) - key_ids(current_keys()[SECRETS])
    if missing:
        raise BackupError(
            f"The secrets in the archive require the key {', '.join(sorted(missing))}. Run the command with "
            f"--keys-to FOLDER, set {SECRETS} and {DJANGO} to these keys, then restore again."
        )


def restore_keys(stored: dict[str, str]) -> list[str]:
    """Write the keys into the site's own files where they differ, keeping what was there: what changed, in words."""
    changed = []
    for name, value in stored.items():
        path = setting("AUTOMATE_KEY_FILES").get(name)
        if path and value != current_keys()[name]:
            old = _keep_old(Path(path))
            write_key(Path(path), value)
            # The settings create the keys of a new folder as soon as they are read, so a file says little of its use.
            kept = f". The key that was there is in {old}; delete it if the folder was new" if old else ""
            changed.append(f"{name}: {path}{kept}")
    return changed


def _keep_old(path: Path) -> Path | None:
    """Where the key of a file is kept from now on; None where there was no file."""
    return path.rename(path.with_name(f"{path.name}.replaced")) if path.exists() else None


def write_key(path: Path, value: str) -> None:
    """Write a key for the owner alone. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(value + "\n")


def differs_from_settings(stored: dict[str, str]) -> bool:
    """Whether Django's key of the archive is another than that of the settings, and is not put back."""
    return stored.get(DJANGO) != settings.SECRET_KEY and DJANGO not in setting("AUTOMATE_KEY_FILES")


def key_ids(text: str) -> set[str]:
    """The ids of the keys of secrets in a text."""
    return set(Keyring(tuple(text.split())).by_id)
