"""Views of connections: page, test, OAuth sign-in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from automate_connectors import connection_test as trial
from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.limits.calls import LimitUsage, find_usage
from automate_connectors.models import Connection, OAuthToken
from automate_connectors.oauth import expiry, sign_in
from automate_connectors.oauth.scopes import missing_scopes_message
from automate_connectors.oauth.setup import OAuthSetup
from automate_connectors.registry import connectors
from automate_core.models import Wait
from automate_governance.admin_site import admin_site, reverse
from automate_governance.permissions import NotPermittedError, can, permitted
from automate_governance.texts import translated
from automate_studio.connections.listing import connection_cards, connection_page
from automate_studio.view_models.connection_health import ConnectionHealth
from automate_ui.admin_page import render_page
from automate_ui.fields import after_label
from automate_ui.htmx import HtmxRequest
from automate_ui.links import change_url
from automate_ui.navigation.admin_pages import list_response
from automate_ui.navigation.http import HttpResponseSeeOther, clean_text, current_person


@dataclass(frozen=True, kw_only=True)
class ConnectionPanel(ConnectionHealth):
    """A connection as its page shows it to one person."""

    may_test: bool
    may_change: bool
    can_try: bool
    waiting: int
    usage: LimitUsage | None
    token: OAuthToken | None

    @property
    def setup(self) -> OAuthSetup | None:
        """Its OAuth setup."""
        return self.connection.sign_in

    @property
    def expiring(self) -> list[str]:
        """What expires within a week, or has, and what to do."""
        now = timezone.now()
        return [
            translated(each.message(date_format(timezone.localtime(each.ends_at), "DATE_FORMAT"), now))
            for each in expiry.expiring_credentials(self.connection, now)
        ]

    @property
    def warnings(self) -> list[str]:
        """What will fail, or fails for some steps, and what to do."""
        missing = self.token.missing_scopes if self.token else []
        scopes = [translated(missing_scopes_message(self.connection.name, missing))] if missing else []
        return [*self.expiring, *scopes]

    @property
    def kept(self) -> dict[str, str]:
        """Values that the provider gave with the tokens."""
        return self.connection.kept_values()


def build_panel(request: HttpRequest, connection: Connection) -> ConnectionPanel:
    """The connection as the request's user may see it."""
    user = request.user
    may_change = can(user, "change", connection)
    return ConnectionPanel(
        connection=connection,
        may_test=may_change or can(user, "use", connection),
        may_change=may_change,
        can_try=trial.can_be_tested(connection),
        waiting=Wait.objects.filter(
            kind=Wait.Kind.RECONNECT, status=Wait.Status.OPEN, data__connection=connection.slug
        ).count(),
        usage=find_usage(connection),
        token=OAuthToken.objects.filter(connection=connection).first(),
    )


def connection_list(request: HttpRequest) -> HttpResponse:
    found = connection_page(request.user, request.GET, timezone.now())
    url = reverse("admin:automate_connectors_connection_changelist")
    may_add = can(request.user, "add", Connection)
    return list_response(
        request, "automate_studio/connections/list.html", _("Connections"), url, found, may_add=may_add
    )


def choose_connector(request: HttpRequest) -> HttpResponse:
    """Choice of connector, before its form."""
    words = clean_text(request.GET.get("q")).lower().split()
    known = (connectors.get(code) for code in connectors.names())
    every = sorted((each for each in known if each.takes_connection), key=lambda each: translated(each.name).lower())
    texts = [(each, _searched_text(each)) for each in every]
    found = [(each, searched) for each, searched in texts if all(word in searched for word in words)]
    template, title = "automate_studio/connections/choose.html", _("Connect an app")
    return render_page(request, template, title, connectors=found, search=clean_text(request.GET.get("q")))


def _searched_text(connector: ConnectorAdapter) -> str:
    """Search text of a connector: its names and its actions."""
    named = [connector.name, connector.description, *(action.label for action in connector.actions)]
    return " ".join([connector.code, *map(translated, named)]).lower()


@require_POST
def connection_test(request: HtmxRequest, pk: int) -> HttpResponse:
    """Test a connection by a real call; responds with the result as a fragment."""
    connection = _get_connection(request, pk)
    try:
        result = trial.run_connection_test(connection, current_person(request))
    except NotPermittedError as error:
        raise PermissionDenied from error
    connection.refresh_from_db()
    shown = {"panel": build_panel(request, connection), "trial": result, "at": timezone.localtime()}
    if request.htmx and request.POST.get("as") == "card":
        now = timezone.now()
        [card] = connection_cards(request.user, [connection], now)
        listed = QueryDict(urlsplit(request.htmx.current_url or "").query)  # what the list around the card shows
        found = connection_page(request.user, listed, now)
        return TemplateResponse(
            request, "automate_studio/connections/tested_card.html", {**shown, "card": card, "found": found}
        )
    if request.htmx:
        return TemplateResponse(request, "automate_studio/connections/health.html", shown)
    (messages.success if result.works else messages.error)(request, translated(result.message))
    return HttpResponseSeeOther(change_url(connection))


@sensitive_post_parameters()
@require_POST
def connection_try(request: HttpRequest, pk: int = 0) -> HttpResponse:
    """Test an unsaved form; responds with the result as a fragment, 422 for an invalid form."""
    model_admin = admin_site().get_model_admin(Connection)
    stored = get_object_or_404(model_admin.get_queryset(request), pk=pk) if pk else None
    may = model_admin.has_change_permission(request, stored) if stored else model_admin.has_add_permission(request)
    if not may:
        raise PermissionDenied
    form: Any = model_admin.get_form(request, stored)(request.POST, instance=stored)
    if not form.is_valid():
        faults = []
        for name, errors in form.errors.items():
            label, reason = translated(str(form[name].label)) if name in form.fields else "", " ".join(errors)
            faults.append(f"{label}{after_label(label, reason)}" if label else reason)
        shown: dict[str, Any] = {"faults": faults}
        return TemplateResponse(request, "automate_studio/connections/test_result.html", shown, status=422)
    result = trial.run_unsaved_connection_test(form.instance, form.new_secrets, current_person(request))
    if result.works:
        trial.remember_passed_test(request, form.instance, form.new_secrets, result.message)
    else:
        trial.forget_passed_test(request)
    state = "succeeded" if result.works else "waiting" if result.code == "not_tested" else "failed"
    return TemplateResponse(request, "automate_studio/connections/test_result.html", {"trial": result, "state": state})


@require_POST
def oauth_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Start an OAuth sign-in; responds with a page that links to the provider, since CSP forbids a form to go there."""
    connection = _get_connection(request, pk)
    try:
        address = sign_in.begin_sign_in(
            connection, current_person(request), session=_session_key(request), back=_callback_url()
        )
    except NotPermittedError as error:
        raise PermissionDenied from error
    except sign_in.SignInError as error:
        messages.error(request, translated(str(error)))
        return HttpResponseSeeOther(change_url(connection))
    title = _("Sign in to %(connection)s") % {"connection": connection}
    template = "automate_studio/connections/sign_in.html"
    return render_page(request, template, title, connection=connection, address=address)


@require_safe
def oauth_callback(request: HttpRequest) -> HttpResponse:
    """Redirect target of the provider, with a code or a refusal."""
    query = {name: value.replace("\0", "")[:4_000] for name, value in request.GET.dict().items()}
    given = {name: query.get(name, "") for name in ("state", "code", "error")}
    try:
        connection = sign_in.finish_sign_in(
            given["state"],
            given["code"],
            current_person(request),
            session=_session_key(request),
            back=_callback_url(),
            refused=given["error"] or ("" if given["code"] else "nothing"),
            query=query,
        )
    except NotPermittedError as error:
        raise PermissionDenied from error
    except sign_in.SignInError as error:
        messages.error(request, translated(str(error)))
        return HttpResponseSeeOther(reverse("admin:automate_connectors_connection_changelist"))
    messages.success(
        request,
        _("Signed in. %(connection)s works again, and its waiting steps continue.") % {"connection": connection},
    )
    return HttpResponseSeeOther(change_url(connection))


def _get_connection(request: HttpRequest, pk: int) -> Connection:
    connections = Connection.objects.select_related("owner")
    return get_object_or_404(permitted(request.user, "view", connections), pk=pk)


def _session_key(request: HttpRequest) -> str:
    return str(request.session.session_key)


def _callback_url() -> str:
    return reverse("studio:oauth_callback")
