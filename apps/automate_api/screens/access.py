"""What the views share: the person, htmx, and the redirect after a POST."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponseRedirect

from automate_governance.permissions import Person


class SeeOther(HttpResponseRedirect):
    """303 See Other, after a POST."""

    status_code = 303


def current_person(request: HttpRequest) -> Person:
    """The signed-in user, in views that require sign-in."""
    return cast(Person, request.user)


def is_for_list(request: HttpRequest) -> bool:
    """Whether htmx asks for the changed part of a list."""
    return request.headers.get("HX-Target") == "list" and "HX-Request" in request.headers
