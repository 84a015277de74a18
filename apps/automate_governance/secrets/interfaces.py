"""The contract of a secrets backend. The shipped backends are `env.py`, `stored.py` and `vault.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod


class SecretNotFoundError(LookupError):
    """The backend has no secret under that key. The message names the key, never a value."""


class SecretLostError(SecretNotFoundError):
    """The value was lost with its key and has to be entered again: senders are asked to come again until then."""


class SecretUnavailableError(Exception):
    """The backend cannot say at the moment: what needs the secret may be tried again. The message is for people."""


class SecretsBackend(ABC):
    """Where secret values live. Found by entry point in the group `django_automate.secrets.backends`.

    The entry point's name is the backend's part of a reference: `vault:slack-token` asks the backend `vault`
    for the key `slack-token`. Backends are made without arguments and shared by threads.

    `description` says on the page Plug-ins what the backend reads; without one it is the first line of the docstring.
    """

    description: str = ""

    @abstractmethod
    def get_secret(self, key: str) -> str:
        """Return the raw secret value. Raise SecretNotFoundError if missing."""
