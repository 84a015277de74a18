"""Requests as views see them behind HtmxMiddleware, which a system check asks for."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxRequest(HttpRequest):
    """A request with what htmx says of itself in its headers."""

    htmx: HtmxDetails


def as_htmx_request(request: HttpRequest) -> HtmxRequest:
    """The same request, for views that Django's own admin classes call."""
    return cast(HtmxRequest, request)
