"""Resolves a reference (`backend:key`) to a value that does not print itself and that redactors mask."""

from __future__ import annotations

import difflib
from typing import Any, NoReturn

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from automate_governance.redaction.redactor import learn
from automate_governance.redaction.token_patterns import MASK
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend, SecretUnavailableError
from automate_governance.secrets.keyring import KeyUnavailableError
from automate_plugins import text
from automate_plugins.registry import PluginNotFoundError, Registry

backends: Registry[SecretsBackend] = Registry(
    "django_automate.secrets.backends",
    SecretsBackend,  # type: ignore[type-abstract]
    allowed=lambda: getattr(settings, "AUTOMATE_SECRETS_BACKENDS", None),
)


#: What is said of a text that is no reference. It may be a secret that somebody pasted, so it is never repeated.
NOT_A_REFERENCE = text(
    "This is not a reference to a secret. Store the secret, then enter its reference, such as database:github."
)


class SecretValue:
    """A secret on its way to a connector. Printing, formatting, copying or pickling it gives the mask."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the plain value. Call it only at the point of use."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __copy__(self) -> str:
        return MASK

    def __deepcopy__(self, memo: dict[int, Any]) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")


def is_reference(text: str) -> bool:
    """Return whether `text` is `backend:key` with an installed backend."""
    backend, separator, key = text.partition(":")
    return bool(separator and key) and backend in backends.names()


def is_mistyped(text: str) -> bool:
    """Return whether `text` is `backend:key` with almost the name of an installed backend.

    Any other text may be a secret that somebody pasted, also one with a colon.
    """
    backend, separator, key = text.partition(":")
    names = backends.names()
    return bool(separator and key) and backend not in names and bool(difflib.get_close_matches(backend, names, 1, 0.65))


@sensitive_variables()
def resolve(reference: str) -> SecretValue:
    """Return the value behind `backend:key`; the process's redactor and the current contexts learn it.

    Raises SecretNotFoundError, and SecretUnavailableError for any other error of a backend.
    """
    name, separator, key = reference.partition(":")
    if not separator:
        raise SecretNotFoundError(NOT_A_REFERENCE)
    try:
        value = backends.get(name).get_secret(key)
    except (SecretNotFoundError, SecretUnavailableError):
        raise
    except (PluginNotFoundError, ValueError) as error:
        raise SecretNotFoundError(
            text("'%(reference)s': %(reason)s", reference=reference, reason=str(error))
        ) from error
    except KeyUnavailableError as error:  # a process that has the key may come
        raise SecretUnavailableError(
            text("'%(reference)s': %(reason)s", reference=reference, reason=str(error))
        ) from error
    except Exception as error:
        raise SecretUnavailableError(
            text("'%(reference)s' cannot be read now: %(error)s", reference=reference, error=type(error).__name__)
        ) from error
    if name != "database":  # what people have stored is known by now, if it can be told from ordinary words
        learn(value)
    return SecretValue(value)
