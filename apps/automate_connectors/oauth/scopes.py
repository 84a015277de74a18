"""Scopes that a sign-in asked for and that the provider did not grant (RFC 6749, sections 3.3 and 5.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from automate_connectors.oauth.setup import OAuthSetup
from automate_plugins import text

#: What providers grant without naming it: OpenID Connect, and scopes that only give a refresh token.
_UNNAMED = frozenset({"openid", "profile", "email", "offline_access", "offline", "refresh_token"})
MOST_LISTED = 50  #: scopes that are kept as missing


def granted_scopes(beside: dict[str, Any]) -> list[str]:
    """Return the scopes that a token response names; none if it does not name them."""
    named = beside.get("scope")
    if isinstance(named, list):
        return [each for each in named if isinstance(each, str)]
    return named.replace(",", " ").split() if isinstance(named, str) else []


def missing_scopes(setup: OAuthSetup, granted: Iterable[str]) -> list[str] | None:
    """Return the scopes that were asked for and not granted; None where the provider did not say.

    An answer without scopes grants those of the request, or of the sign-in that it renews.
    """
    given = {each.lower() for each in granted}
    if not given:
        return None
    asked = (setup.scope or "").replace(",", " ").split()
    missing = [each for each in asked if each.lower() not in _UNNAMED and given.isdisjoint(_granted_by(each.lower()))]
    return [each for each in missing if each.isprintable() and not each.endswith("/.default")][:MOST_LISTED]


def missing_scopes_message(name: str, missing: Iterable[str]) -> str:
    """Return what is wrong with the connection of that name, and what to do."""
    return text(
        "%(name)s was not granted all scopes that it asks for, so steps that need them fail. Missing: %(scopes)s. Allow"
        " them at the provider and reconnect, or remove them from the connection.",
        name=name,
        scopes=", ".join(missing),
    )


def _granted_by(scope: str) -> Iterator[str]:
    """Yield the scopes of which any one grants `scope`: itself, and the forms and wider scopes that providers name."""
    yield scope
    short = scope.rpartition("/")[2]
    yield short  # Microsoft shortens https://graph.microsoft.com/Mail.Read
    yield f"https://graph.microsoft.com/{short}"
    yield scope.partition(":")[0]  # GitHub: user instead of user:email
    yield scope.replace("read_", "write_", 1)  # Shopify: to write is to read
