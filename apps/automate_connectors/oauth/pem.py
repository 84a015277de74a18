"""PEM texts (RFC 7468) of credentials, which lose their line breaks where they are pasted into one line."""

from __future__ import annotations

import re
import textwrap

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----")


def pem_blocks(written: str) -> dict[str, bytes]:
    """Return the blocks of a text with their line breaks, by label; of several with one label, the first."""
    return {label: _block(label, body) for label, body in reversed(_BLOCK.findall(written))}


def _block(label: str, body: str) -> bytes:
    """Return a block with its line breaks. Headers of an encrypted key stay as they are."""
    if ":" in body:
        return f"-----BEGIN {label}-----{body}-----END {label}-----\n".encode()
    lines = textwrap.fill("".join(body.split()), 64)
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode()
