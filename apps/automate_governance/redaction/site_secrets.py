"""The site's own secrets: values of settings and environment variables whose names say that they are secret."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from django.conf import settings

from automate_governance.redaction.encodings import passwords_of
from automate_governance.redaction.redactor import Redactor, is_ordinary_text, redact_text

_ALWAYS = re.compile("SECRET_KEY|AUTOMATE_SECRETS_KEYS?|AUTOMATE_SECRET_.*")  #: however simple the value is
_SECRET_NAME = re.compile(
    r"(?i)(?:.*_)?(?:(?:api|secret|access|private)_?keys?|tokens?|secrets?|passw(?:or)?ds?|passphrases?|pass|dsn"
    r"|credentials?)|secret_key_fallbacks"
)
_KEY_NAME = re.compile("(?i).*_keys?")  #: may also be the name of something
_MIN_LENGTH = 12  #: characters of a secret of plain words and numbers: a shorter one may well be an ordinary word
_MAX_DEPTH = 10


def site_secrets() -> Iterator[str]:
    """Yield the secret values of the project's settings, also inside of dictionaries, and of the environment."""
    for name in filter(str.isupper, dir(settings)):
        if settings.is_overridden(name):  # type: ignore[misc]  # not a setting, as the plugin of mypy thinks
            yield from _secrets_in(name, getattr(settings, name, None))
    for name, value in os.environ.items():
        yield from _secrets_in(name, value)


def mask_site_secrets(text: str) -> str:
    """Mask what `redact_text` masks, and the site's own secrets.

    It is for errors of code that runs in this process and can read all of them: no person chooses these texts.
    """
    return _site_redactor(tuple(dict.fromkeys(site_secrets()))).text(redact_text(text)) if text else text


@lru_cache(maxsize=1)
def _site_redactor(values: tuple[str, ...]) -> Redactor:
    known = Redactor()
    known.learn(*values)
    return known


def _secrets_in(name: str, value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        if _is_secret(name, value):
            yield value
        elif "://" in value:
            yield from (password for password in passwords_of(value) if _is_secret("password", password))
    elif isinstance(value, dict) and depth < _MAX_DEPTH:
        for member, item in value.items():
            yield from _secrets_in(str(member), item, depth + 1)
    elif isinstance(value, list | tuple) and depth < _MAX_DEPTH:
        for item in value:
            yield from _secrets_in(name, item, depth + 1)


def _is_secret(name: str, value: str) -> bool:
    if _ALWAYS.fullmatch(name):
        return True
    if _SECRET_NAME.fullmatch(name):
        return len(value) >= _MIN_LENGTH or not is_ordinary_text(value)
    return _KEY_NAME.fullmatch(name) is not None and not is_ordinary_text(value)
