"""Limits of an API token for what a worker does later: remembered with the request, and in force while it is done.

    action.limits = remember_limits(person)
    with limited_as(action.person, action.limits):
        ...

`automate_api` registers which tokens are valid. Without it, or with another answer, nothing is done any more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from automate_governance.people.origin import current_credential, request_credential
from automate_governance.permissions import Person, current_limits, narrowed_to
from automate_plugins import text

type Limits = Mapping[str, Any]

_validators: list[Callable[[str], bool]] = []


class TokenEndedError(Exception):
    """The token of a request was revoked or has expired since; the message names it."""


def register_tokens(is_valid: Callable[[str], bool]) -> None:
    """Register what answers whether the token of a key is valid at this moment, with an active owner."""
    _validators.append(is_valid)


def remember_limits(person: Person) -> dict[str, Any] | None:
    """The limits of `person` at the moment, as a JSON document; None for a person who is not limited by a token."""
    limits = current_limits(person)
    if limits is None:
        return None
    return {
        "token": limits.token,
        "name": current_credential(),
        "scopes": sorted(limits.scopes),
        "workflows": None if limits.workflows is None else sorted(limits.workflows),
    }


@contextlib.contextmanager
def limited_as(person: Person, limits: Limits | None) -> Iterator[None]:
    """Limit `person` as remembered in this block, and name the token in the audit trail. None limits nothing.

    Raises TokenEndedError.
    """
    if limits is None:
        yield
        return
    if not any(is_valid(limits["token"]) for is_valid in _validators):
        raise TokenEndedError(text("The token %(token)s was revoked or has expired.", token=limits["name"]))
    narrowing = narrowed_to(person, limits["scopes"], limits["workflows"], token=limits["token"])
    with narrowing, request_credential(limits["name"]):
        yield
