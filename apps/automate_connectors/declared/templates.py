"""Templates of a document: `{name}` stands for a setting of the connection or an input of the action.

A name in a host may fill one label of it alone, and one in a path one segment; `{+name}` in a path keeps slashes
(RFC 6570, section 3.2.3). So no value can choose another host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.web import as_text, invalid_input, quote_segment
from automate_egress.policy import ascii_host
from automate_plugins import text

PLACEHOLDER = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_]*)\}")
#: Endings such as `co.uk`, below which anyone may register a name: the part before them is fixed as well.
_SHARED_ENDING = re.compile(r"\.(ac|co|com|edu|gob|gov|ne|net|or|org)\.[a-z]{2}(:\d+)?\Z", re.IGNORECASE | re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_BASE = re.compile(r"(?P<origin>https?://[^/?#]*|\{\w+\})(?P<path>/[^?#]*)?")


def names_in(template: str) -> list[str]:
    """Return the names of a template, in their order."""
    return [name for _, name in PLACEHOLDER.findall(template)]


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Return a template with its values as they are; a missing one is an empty text."""
    return PLACEHOLDER.sub(lambda match: as_text(values.get(match[2]) or ""), template)


def fill_path(template: str, values: Mapping[str, Any]) -> str:
    """Return a path, each value quoted. Raises ConnectorError for a value that is missing or leads elsewhere."""

    def value_of(match: re.Match[str]) -> str:
        value = values.get(match[2])
        if value is None or value == "":
            raise invalid_input(text("%(name)s is required.", name=match[2]))
        written = as_text(value)
        return "/".join(map(quote_segment, written.strip("/").split("/"))) if match[1] else quote_segment(written)

    return PLACEHOLDER.sub(value_of, template)


def base_address(template: str, settings: Mapping[str, Any]) -> str:
    """Return the base URL, without a slash at its end. Raises ConnectorError that names the setting which is wrong."""
    own = settings.get("base_url")
    if own and "{base_url}" not in template:
        return _whole("base_url", own)
    match = _BASE.fullmatch(template)
    if match is None:
        raise invalid_input(text("%(value)s is not a base URL.", value=repr(template)))
    origin, path = match["origin"], match["path"] or ""
    if origin.startswith("{"):
        name = names_in(origin)[0]
        return f"{_whole(name, settings.get(name))}{fill_path(path, settings)}".rstrip("/")
    for name in names_in(origin):
        if not _LABEL.fullmatch(str(settings.get(name) or "")):
            raise invalid_input(
                text("%(name)s must be a single name such as acme, without dots and slashes.", name=name)
            )
    return f"{fill(origin, settings)}{fill_path(path, settings)}".rstrip("/")


def host_of(template: str, settings: Mapping[str, Any]) -> str:
    """Return the host name of the base URL, "" where a setting is missing or wrong."""
    try:
        return ascii_host(urlsplit(base_address(template, settings)).hostname or "")
    except (ConnectorError, ValueError):
        return ""


def origin_of(template: str) -> str:
    """Return scheme and host of a base URL as the document writes them, names in braces included."""
    match = _BASE.fullmatch(template)
    return match["origin"].lower() if match else template


def base_faults(template: str) -> Iterator[str]:
    """Yield what is wrong with the base URL of a document."""
    match = _BASE.fullmatch(template)
    if match is None:
        yield text("A base URL is https://, a host and a path, or begins with one {setting}.")
        return
    origin = match["origin"]
    if origin.startswith("{"):
        return
    parts = urlsplit(PLACEHOLDER.sub("x", origin))
    if parts.scheme != "https":
        yield text("A base URL begins with https://.")
    if parts.username or parts.password or "@" in origin:
        yield text("A base URL has no username.")
    host = origin.partition("://")[2]
    fixed = PLACEHOLDER.sub("", host).strip(".-")
    last = 3 if _SHARED_ENDING.search(f".{host}") else 2
    if names_in(origin) and (fixed.count(".") < last - 1 or PLACEHOLDER.search(".".join(host.split(".")[-last:]))):
        yield text("The last %(count)s parts of a host are fixed. Use {name} only before them.", count=last)
    if not parts.hostname or "." not in parts.hostname or parts.hostname.replace(".", "").isdigit():
        yield text("A base URL names a public host.")


def _whole(name: str, value: Any) -> str:
    """Return a setting that is a URL of its own. Raises ConnectorError."""
    written = str(value or "")
    try:
        parts = urlsplit(written)
        is_good = parts.scheme in {"https", "http"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        is_good = False
    if not is_good or parts.query or parts.fragment:
        raise invalid_input(text("%(name)s must be a URL such as https://api.example.com, without ? and #.", name=name))
    return quote(written.rstrip("/"), safe="/:%[]@!$&'()*+,;=~")
