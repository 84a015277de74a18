"""Signed references of a page to files that were sent with an earlier, incomplete answer to it."""

from __future__ import annotations

from django.core import signing

from automate_core.triggers.forms import TOKEN_SECONDS
from automate_plugins.files import FILE_KEY, FileValue

_SALT = "automate.form_file"


def sign_kept(value: FileValue, control: str) -> str:
    """The reference to a stored file that was sent by the control with this name; valid as long as its page."""
    return signing.dumps({"f": value[FILE_KEY], "c": control}, salt=_SALT)


def read_kept(signed: str, control: str) -> str:
    """The `$file` of a file that was sent by that control; empty for a reference that is not ours, or too old."""
    try:
        found = signing.loads(signed, salt=_SALT, max_age=TOKEN_SECONDS)
    except signing.BadSignature:
        return ""
    return str(found["f"]) if found["c"] == control else ""
