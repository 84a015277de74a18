"""The error of a backup or a restore."""

from __future__ import annotations


class BackupError(Exception):
    """A backup or restore that is impossible; the message says why and what to do. Nothing was left half done."""
