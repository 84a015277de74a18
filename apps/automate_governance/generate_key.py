"""`python -m automate_governance.generate_key`: a new key for stored secrets. It needs no settings."""

from __future__ import annotations

import base64
import sys

from automate_governance.secrets.keyring import generate_key, key_id


def new_key() -> tuple[str, str]:
    """Return a new key, and instructions for its use."""
    key = generate_key()
    return key, (
        f"This is key {key_id(base64.urlsafe_b64decode(key))}. On a new site, it is the only one in"
        " AUTOMATE_SECRETS_KEYS. On an existing site, put it first, and keep the old keys behind it. Restart web"
        " servers and workers, then run automate_rotate_keys."
    )


if __name__ == "__main__":
    made, what_next = new_key()
    sys.stdout.write(f"{made}\n")
    sys.stderr.write(f"{what_next}\n")
