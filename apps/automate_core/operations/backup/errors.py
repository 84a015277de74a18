"""What a backup or a restore refuses."""

from __future__ import annotations


class BackupError(Exception):
    """It cannot be made or restored; the message says why and what to do. Nothing was left half done."""
