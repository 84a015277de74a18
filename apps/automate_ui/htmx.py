"""Type of requests behind HtmxMiddleware, which a system check requires."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxRequest(HttpRequest):
    """A request with the details of htmx."""

    htmx: HtmxDetails


def as_htmx_request(request: HttpRequest) -> HtmxRequest:
    """The same request, for views called by Django's own admin classes."""
    return cast(HtmxRequest, request)
