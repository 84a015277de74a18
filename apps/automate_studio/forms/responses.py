"""Responses of hosted forms: what browsers may do with a page, and which sites may embed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.csp import CSP, build_policy
from django.views.decorators.clickjacking import xframe_options_exempt

from automate_authoring.definitions.form_rules import redirect_problem
from automate_core.definition.document import FormTrigger

#: Where the project has no policy of its own.
_POLICY: dict[str, list[str]] = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
}


def redirect_address(trigger: FormTrigger | None) -> str:
    """The address that people are sent to after their answer; empty for none, and for one that is not allowed now."""
    return "" if trigger is None or redirect_problem(trigger.redirect) else trigger.redirect


def render_public_page(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    trigger: FormTrigger | None = None,
    status: int = 200,
) -> HttpResponse:
    """A page without the admin's chrome. The sites that its form lists may embed it, others may not."""
    response = TemplateResponse(request, f"automate_studio/forms/{template}.html", dict(context), status=status)
    return secured(request, response.render(), trigger)


def secured(request: HttpRequest, response: HttpResponse, trigger: FormTrigger | None) -> HttpResponse:
    """The response with the policy of a form's pages."""
    origins = trigger.origins if trigger is not None and trigger.access != "signed_in" else []
    target = urlsplit(redirect_address(trigger))
    policy = {
        **_POLICY,
        **(getattr(settings, "SECURE_CSP", None) or {}),
        # Browsers hold the redirect behind a form against its policy, too
        "form-action": [CSP.SELF, *([f"{target.scheme}://{target.netloc}"] if target.netloc else [])],
        "frame-ancestors": [CSP.SELF, *origins] if origins else [CSP.NONE],
    }
    response.headers[str(CSP.HEADER_ENFORCE)] = build_policy(policy, getattr(request, "_csp_nonce", None))
    response.headers["X-Robots-Tag"] = "noindex"
    if not origins:
        return response
    return xframe_options_exempt(lambda _request: response)(request)
