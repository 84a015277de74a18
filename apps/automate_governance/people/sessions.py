"""The sessions of a person: how many there are, and their end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpResponse
from django.utils import timezone

from automate_governance import audit
from automate_governance.permissions import Person
from automate_plugins import text

_AT_ONCE = 500


class SessionsUnknownError(Exception):
    """The project keeps its sessions where they cannot be listed; the message says what to do instead."""


def count_sessions(person: Person) -> int:
    """Return the number of sessions in which the person is signed in. Raises SessionsUnknownError."""
    return sum(1 for _ in _keys_of(person))


def end_sessions(person: Person, *, by: Person) -> int:
    """End all sessions of a person, audited; returns how many there were. Raises SessionsUnknownError."""
    keys = list(_keys_of(person))
    for key in keys:
        _store()(key).delete()
    audit.record(by, "user.sessions_ended", person, changes={"sessions": len(keys)})
    return len(keys)


def _keys_of(person: Person) -> Iterator[str]:
    store = _store()
    if not hasattr(store, "get_model_class"):
        raise SessionsUnknownError(
            text("This site does not list its sessions. Set a new password: that ends them all.")
        )
    current = store.get_model_class().objects.filter(expire_date__gt=timezone.now())
    for session in current.iterator(chunk_size=_AT_ONCE):
        if session.get_decoded().get(SESSION_KEY) == str(person.pk):
            yield session.session_key


def _store() -> Any:
    return SessionMiddleware(lambda _request: HttpResponse()).SessionStore  # of the setting SESSION_ENGINE
