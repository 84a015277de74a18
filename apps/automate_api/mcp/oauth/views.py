"""Views of OAuth: the metadata of this resource and of its authorization server, and the page of consent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from oauth2_provider import views as provider_views
from oauth2_provider.exceptions import OAuthToolkitError
from oauth2_provider.models import get_application_model
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error, InvalidClientIdError

from automate_api.mcp.oauth.connections import connect_client, is_own_resource
from automate_api.mcp.oauth.fetcher import asked_by_person, client_problem
from automate_api.mcp.oauth.provider import SCOPES, TICKED, WRONG_RESOURCE, issuer, resource
from automate_api.screens.scope_words import grouped
from automate_governance.admin_site import admin_site, reverse
from automate_ui.navigation.http import current_person

METADATA_DOCUMENTS = "https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/"
WITHOUT_PKCE = "A code challenge with the method S256 is required."


@require_safe
def resource_metadata(request: HttpRequest) -> HttpResponse:
    """RFC 9728: which authorization server issues tokens for the MCP server."""
    site = settings.AUTOMATE_SITE_URL
    document = {
        "resource": resource(site),
        "authorization_servers": [issuer(site)],
        "scopes_supported": list(SCOPES),
        "bearer_methods_supported": ["header"],
        "resource_name": "Django Automate",
    }
    return _public(document)


@require_safe
def server_metadata(request: HttpRequest) -> HttpResponse:
    """RFC 8414: what the authorization server of this resource can do."""
    site = settings.AUTOMATE_SITE_URL.rstrip("/")
    document = {
        "issuer": issuer(site),
        "authorization_endpoint": site + reverse("automate_oauth:authorize"),
        "token_endpoint": site + reverse("automate_oauth:token"),
        "revocation_endpoint": site + reverse("automate_oauth:revoke"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "client_id_metadata_document_supported": True,
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": list(SCOPES),
    }
    return _public(document)


@csrf_exempt
def register(request: HttpRequest) -> HttpResponse:
    """Refuses dynamic registration (RFC 7591), and says what takes its place."""
    site = settings.AUTOMATE_SITE_URL.rstrip("/")
    problem = {
        "error": "invalid_request",
        "error_description": (
            "Clients are not registered here. Send the HTTPS URL of your client ID metadata document as client_id. "
            f"The metadata of this authorization server is at {site + reverse('automate_oauth:server')}."
        ),
        "error_uri": METADATA_DOCUMENTS,
    }
    response = _public(problem)
    response.status_code = 400
    return response


def _public(document: dict[str, Any]) -> HttpResponse:
    response = JsonResponse(document)
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@method_decorator(csrf_exempt, name="dispatch")
class PublicClientView(View):
    """Refuses a client that sends a secret before it is looked up: no client has one, and comparing it is dear."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if "client_secret" in request.POST or "Authorization" in request.headers:
            return JsonResponse({"error": "invalid_client", "error_description": "Clients have no secret."}, status=401)
        return super().dispatch(request, *args, **kwargs)


class TokenView(PublicClientView, provider_views.TokenView):  # type: ignore[misc]  # untyped upstream
    """Issues tokens for codes and refresh tokens."""


class RevokeView(PublicClientView, provider_views.RevokeTokenView):  # type: ignore[misc]  # untyped upstream
    """Revokes a token."""


class ConsentView(provider_views.AuthorizationView):  # type: ignore[misc]  # untyped upstream
    """Asks a signed-in person whether a client may act for them, and with which permissions."""

    template_name = "automate_api/oauth/consent.html"
    success_url = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with asked_by_person():
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        self._allow_return(response)
        return response

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The page; a request for another resource, or without PKCE, is refused before anything is asked."""
        answer: HttpResponseBase | None = self._refusal(request.GET.getlist("resource"), request.GET.dict())
        # a client that is no server cannot prove itself: each code needs a person's consent (RFC 8252, section 8.6)
        forced: Any = request.GET.copy()
        forced["approval_prompt"] = "force"
        request.GET = forced
        return answer or super().get(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponseBase:
        """Connect the client with the chosen permissions before the code is issued."""
        if refusal := self._refusal((form.cleaned_data.get("resource") or "").split(), form.cleaned_data):
            return refusal
        asked = form.cleaned_data["scope"].split()
        chosen = [scope for scope in asked if scope in self.request.POST.getlist("scopes") and scope in SCOPES]
        allow = bool(form.cleaned_data.get("allow")) and bool(chosen)
        form.cleaned_data |= {"allow": allow, "scope": " ".join(chosen) or "workflow:view"}
        with transaction.atomic():
            if allow:
                found = get_application_model().objects.filter(client_id=form.cleaned_data["client_id"]).first()
                if found is None:
                    return self._refused("invalid_client", "The client is unknown.")
                connect_client(current_person(self.request), found, chosen)
            answer: HttpResponseBase = super().form_valid(form)
            if "code" not in parse_qs(urlsplit(self.success_url or "").query):
                transaction.set_rollback(True)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        site = admin_site()
        self.request.current_app = site.name
        application = context.get("application")
        client_id = getattr(application, "client_id", "")
        return {
            **site.each_context(self.request),
            **context,
            "title": _("Connect an AI agent"),
            "groups": grouped(context.get("scopes") or ()),
            "ticked": TICKED,
            "client_host": urlsplit(client_id).hostname or client_id,
            "returns_to": urlsplit(context.get("redirect_uri") or "").netloc,
        }

    def error_response(self, error: Any, application: Any, **kwargs: Any) -> HttpResponseBase:
        """The page of an error. That of an unknown client says what is the matter with its document."""
        if isinstance(error.oauthlib_error, InvalidClientIdError):
            given = self.request.POST if self.request.method == "POST" else self.request.GET
            error.oauthlib_error.description = client_problem(given.get("client_id", ""))
        answer: HttpResponseBase = super().error_response(error, application, **kwargs)
        return answer

    def _refusal(self, resources: list[str], given: Mapping[str, Any]) -> HttpResponseBase | None:
        """The answer to a request for another resource, or without PKCE."""
        if not is_own_resource(resources):
            return self._refused("invalid_target", WRONG_RESOURCE)
        return None if _has_pkce(given) else self._refused("invalid_request", WITHOUT_PKCE)

    def _refused(self, code: str, description: str) -> HttpResponseBase:
        """A page instead of a redirect: the client is not known well enough to lead anybody there."""
        error = CustomOAuth2Error(error=code, description=description)
        answer: HttpResponseBase = self.error_response(OAuthToolkitError(error=error), None)
        return answer

    def _allow_return(self, response: HttpResponseBase) -> None:
        """Let the form lead to the client: browsers apply `form-action` to redirects, too."""
        policy = getattr(settings, "SECURE_CSP", None)
        target = urlsplit((getattr(self, "oauth2_data", None) or {}).get("redirect_uri") or "")
        if policy and target.scheme in {"http", "https"} and target.netloc:
            origin = f"{target.scheme}://{target.netloc}"
            changed = {**policy, "form-action": [*policy.get("form-action", ()), origin]}
            response._csp_config = changed  # type: ignore[attr-defined]


def _has_pkce(given: Mapping[str, Any]) -> bool:
    """Whether a request has a challenge that only the client can answer (RFC 7636)."""
    challenge = str(given.get("code_challenge") or "")
    return given.get("code_challenge_method") == "S256" and bool(_CHALLENGE.fullmatch(challenge))


_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
