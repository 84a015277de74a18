"""Signed out in the middle of an htmx request: go to the sign-in page and back, instead of showing it in a panel."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url


class SignInAgainMiddleware:
    """Turns a redirect to the sign-in page into 401 with `HX-Redirect`, with the current page as `next`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        sign_in = resolve_url(settings.LOGIN_URL)
        location = urlsplit(response.headers.get("Location", "")).path
        if request.headers.get("HX-Request") != "true" or location != sign_in:
            return response
        current = urlsplit(request.headers.get("HX-Current-URL", ""))
        here = current.path + (f"?{current.query}" if current.query else "")
        return HttpResponse(status=401, headers={"HX-Redirect": f"{sign_in}?{urlencode({'next': here})}"})
