"""The form of an `Authorization` header, which documents describe in words: `Token token=<API_KEY>`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_VALUE = r"(?:<[^<>]{1,60}>|\{[^{}]{1,60}\}|\[[^\[\]]{1,60}\]|\$?(?:your|my|the)[\w-]{1,60}|[xX*.]{3,60})"
_SCHEME = r"[A-Za-z][\w-]{0,40}"
#: In a description: after `Authorization:` or where a quotation begins, a scheme and what stands for the credential.
_WRITTEN = re.compile(
    rf"(?:Authorization:\s{{0,3}}|[`'\"]\s{{0,3}})(?P<prefix>{_SCHEME} (?:[a-z_]{{1,20}}=)?)(?P<quote>\"?){_VALUE}",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(rf"(?P<prefix>{_SCHEME} )\S{{3,200}}")
_PAST_AUTHORIZATION = re.compile(r"^Authorization:\s*", re.IGNORECASE)


def authorization_header(scheme: Mapping[str, Any]) -> str:
    """Return the template of the header, such as `Token token={token}`; "" where the scheme does not say it."""
    for name in ("x-default", "x-example", "example"):
        written = _PAST_AUTHORIZATION.sub("", str(scheme.get(name) or "").strip())
        if found := _EXAMPLE.fullmatch(written):
            return f"{found['prefix']}{{token}}"
    if found := _WRITTEN.search(str(scheme.get("description") or "")[:5_000]):
        return f"{found['prefix']}{found['quote']}{{token}}{found['quote']}"
    return ""
