"""Requests and responses of pages: bounded parameters, the signed-in person, and the redirect after a POST."""

from __future__ import annotations

import uuid
from typing import cast

from django.http import HttpRequest, HttpResponseRedirect

from automate_governance.permissions import Person


class HttpResponseSeeOther(HttpResponseRedirect):
    """303 See Other, after a POST."""

    status_code = 303


def current_person(request: HttpRequest) -> Person:
    """The signed-in user, in views that require sign-in."""
    return cast(Person, request.user)


def parse_number(text: str | None) -> int | None:
    """A count, page or key of up to nine digits; None for anything else."""
    return int(text) if text and len(text) < 10 and text.isascii() and text.isdigit() else None


def parse_uuid(text: str | None) -> uuid.UUID | None:
    """Key of a run, an event or a notification; None for anything else."""
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None


def clean_text(text: str | None) -> str:
    """Text of a search or a filter, which the database accepts."""
    return (text or "").replace("\0", "").strip()[:100]
