"""Addresses of OAuth providers: templates such as `https://{shop}.myshopify.com`, filled in and checked.

A value is checked when a connection is saved and whenever an address is made of it, so that no value, however it came
into the database, leads to another host than the template allows.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from django.conf import settings

from automate_egress.policy import is_listed_host
from automate_plugins import text

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PATTERNS = {
    "label": re.compile(_LABEL),
    "host": re.compile(rf"{_LABEL}(\.{_LABEL})+"),
    "segment": re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]{1,100}"),
}


class AddressError(ValueError):
    """An address that cannot be made; the message says why, for the person who enters its parts."""


class Parameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a provider's addresses that each connection has.

    A `label` is one part of a host name, a `host` a whole one, a `segment` one part of a path. A host with `domains`
    has to be one of them or below one. `default` stands in for a missing value, `person_default` only where a person
    signs in.
    """

    label: str
    kind: Literal["label", "host", "segment"]
    example: str
    help: str = ""
    domains: tuple[str, ...] = ()
    default: str = ""
    person_default: str = ""

    def problem(self, value: str) -> str | None:
        """Return why the value cannot be used, or None."""
        if not value:
            return text("Enter a value, such as %(example)s.", example=self.example)
        if not _PATTERNS[self.kind].fullmatch(value):
            return text("This is not a valid value. Example: %(example)s.", example=self.example)
        if self.domains and not is_below(value, self.domains):
            return text("The host must end in %(domains)s.", domains=", ".join(self.domains))
        return None


def fill_in(template: str, values: Mapping[str, str], parameters: Mapping[str, Parameter]) -> str:
    """Return the template with its parameters. Raises AddressError when a value is missing or leads elsewhere."""
    for name in placeholders(template):
        if reason := parameters[name].problem(values.get(name, "")):
            raise AddressError(text("%(field)s: %(reason)s", field=parameters[name].label, reason=reason))
    filled = template.format_map(values)
    if "://" in template and not _hosts_match(template, filled):
        raise AddressError(text("%(url)s leads to another host than the provider's.", url=repr(filled[:200])))
    return filled


def placeholders(template: str) -> list[str]:
    """Return the names of a template's parameters. Raises ValueError for a template with other fields."""
    fields = [field for field in string.Formatter().parse(template) if field[1] is not None]
    found = [str(name) for _, name, _, _ in fields]
    if any(not str(name).isidentifier() or spec or conversion for _, name, spec, conversion in fields):
        raise ValueError(f"{template!r} is not a template of named parameters")
    return found


def is_below(host: str, domains: Iterable[str]) -> bool:
    """Return whether a host is one of the domains, or below one."""
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def url_problem(url: str) -> str | None:
    """Return why an address of a provider cannot be used, or None."""
    try:
        parts = urlsplit(url)
        port, user = parts.port, parts.username or parts.password
    except ValueError:
        return text("Enter a valid URL.")
    if not parts.hostname or user:
        return text("Enter an https:// URL without a username.")
    if parts.scheme == "https" or (
        parts.scheme == "http" and is_listed_host(parts.hostname, port or 80, _internal_hosts())
    ):
        return None
    return text("Enter an https:// URL. http:// is only allowed for hosts in AUTOMATE_EGRESS_ALLOW.")


def _hosts_match(template: str, filled: str) -> bool:
    """Whether what was filled in left the scheme and the fixed parts of the host alone."""
    pattern = re.sub(r"\\\{\w+\\\}", "[a-z0-9.-]+", re.escape(template.split("://")[1].split("/")[0]))
    try:
        before, after = template.split("://")[0], urlsplit(filled)
    except ValueError:
        return False
    return before == after.scheme and re.fullmatch(pattern, after.netloc) is not None


def _internal_hosts() -> Iterable[str]:
    """Return the `host:port` pairs that may be on private addresses."""
    hosts: Iterable[str] = getattr(settings, "AUTOMATE_EGRESS_ALLOW", ())
    return hosts
