"""Middleware of the studio: sign-in for htmx requests, and compression of the builder's large responses."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from automate_governance.admin_site import reverse

_LARGE = {"builder", "builder_command", "builder_condition", "builder_step"}


class SignInAgainMiddleware:
    """Turns a redirect to the sign-in page into 401 with `HX-Redirect`, with the current page as `next`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        location = urlsplit(response.headers.get("Location", "")).path
        htmx = HtmxDetails(request)
        if not htmx or not location or location not in _sign_in_pages():
            return response
        current = urlsplit(htmx.current_url or "")
        here = current.path + (f"?{current.query}" if current.query else "")
        return HttpResponseClientRedirect(f"{location}?{urlencode({'next': here})}", status=401)


def _sign_in_pages() -> set[str]:
    """Sign-in pages of the admin, the studio and the project."""
    return {resolve_url(settings.LOGIN_URL), reverse("admin:login"), reverse("studio:sign_in")}


class CompressBuilderMiddleware(GZipMiddleware):
    """Compresses the builder's responses, which hold the whole tree. It must precede middleware that reads response
    text.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        match = request.resolver_match
        if match is None or match.namespace != "studio" or match.url_name not in _LARGE:
            return response
        return super().process_response(request, response)
