"""What the page of a connection shows beside its form, and what people do there: test it, sign in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from automate_connectors import trial
from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.models import Connection, OAuthToken
from automate_connectors.oauth import sign_in
from automate_connectors.oauth.providers import OAuthSetup
from automate_connectors.registry import connectors
from automate_core.models import Wait, Workflow
from automate_core.used_by import using
from automate_governance.permissions import can, permitted
from automate_plugins.registry import PluginNotFoundError
from automate_studio import asked, frame
from automate_studio.doing import SeeOther

_STATES = {"unknown": "pending", "working": "succeeded", "failing": "failed", "reconnect": "failed"}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A connection as its page shows it to one person."""

    connection: Connection
    may_test: bool
    may_change: bool
    may_share: bool
    can_try: bool
    used_by: list[Workflow]
    used_unseen: int
    waiting: int
    token: OAuthToken | None

    @property
    def adapter(self) -> ConnectorAdapter | None:
        """Its connector, where it is installed."""
        return adapter_of(self.connection)

    @property
    def setup(self) -> OAuthSetup | None:
        """How it signs in."""
        return self.connection.sign_in

    @property
    def state(self) -> str:
        """The state whose glyph and colour stand for its health."""
        return state(self.connection)

    @property
    def word(self) -> str:
        """Its health in words."""
        return word(self.connection)


def adapter_of(connection: Connection) -> ConnectorAdapter | None:
    """A connection's connector, where it is installed."""
    try:
        return connection.adapter
    except PluginNotFoundError:
        return None


def state(connection: Connection) -> str:
    """The state whose glyph and colour stand for a connection's health."""
    return _STATES[connection.health]


def word(connection: Connection) -> str:
    """A connection's health in words."""
    setup = connection.sign_in
    again = "Sign in again" if setup and setup.needs_person else "Connect again"
    return {"unknown": "Not tried yet", "working": "Working", "failing": "Failing"}.get(connection.health, again)


def panel(request: HttpRequest, connection: Connection) -> Panel:
    """What `request`'s person sees of it."""
    user = request.user
    workflows = using(connection)
    seen = list(permitted(user, "view", Workflow.objects.filter(pk__in=[each.pk for each in workflows])))
    may_change = can(user, "change", connection)
    return Panel(
        connection=connection,
        may_test=may_change or can(user, "use", connection),
        may_change=may_change,
        may_share=can(user, "share", connection),
        can_try=trial.can_try(connection),
        used_by=seen,
        used_unseen=len(workflows) - len(seen),
        waiting=Wait.objects.filter(
            kind=Wait.Kind.RECONNECT, status=Wait.Status.OPEN, data__connection=connection.slug
        ).count(),
        token=OAuthToken.objects.filter(connection=connection).first(),
    )


def choose(request: HttpRequest) -> HttpResponse:
    """The connectors to choose from, before the form of one."""
    found = [connectors.get(code) for code in connectors.names()]
    found.sort(key=lambda adapter: adapter.name.lower())
    return frame.page(request, "automate_studio/connection/choose.html", "Connect an app", connectors=found)


@require_POST
def connection_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Try a connection by a real call; gives the fragment that says how it went."""
    connection = _connection(request, pk)
    try:
        result = trial.attempt(connection, asked.person(request))
    except trial.NotPermittedError as error:
        raise PermissionDenied from error
    connection.refresh_from_db()
    shown = {"panel": panel(request, connection), "trial": result, "at": timezone.localtime()}
    if request.headers.get("HX-Request") == "true":
        return TemplateResponse(request, "automate_studio/connection/health.html", shown)
    (messages.success if result.works else messages.error)(request, result.message)
    return SeeOther(_url(connection))


@require_POST
def oauth_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin to sign in; gives a page with the link to the provider, to which a form may not lead (CSP)."""
    connection = _connection(request, pk)
    try:
        address = sign_in.begin(connection, asked.person(request), session=_session(request), back=_back())
    except sign_in.NotPermittedError as error:
        raise PermissionDenied from error
    except sign_in.SignInError as error:
        messages.error(request, str(error))
        return SeeOther(_url(connection))
    title, template = f"Sign in to {connection}", "automate_studio/connection/sign_in.html"
    return frame.page(request, template, title, connection=connection, address=address)


@require_safe
def oauth_callback(request: HttpRequest) -> HttpResponse:
    """Where the provider sends people back to, with a code or a refusal."""
    given = {name: request.GET.get(name, "").replace("\0", "")[:4_000] for name in ("state", "code", "error")}
    try:
        connection = sign_in.finish(
            given["state"],
            given["code"],
            asked.person(request),
            session=_session(request),
            back=_back(),
            refused=given["error"] or ("" if given["code"] else "nothing"),
        )
    except sign_in.NotPermittedError as error:
        raise PermissionDenied from error
    except sign_in.SignInError as error:
        messages.error(request, str(error))
        return SeeOther(reverse("admin:automate_connectors_connection_changelist"))
    messages.success(request, f"Signed in. {connection} works, and steps that waited for it go on.")
    return SeeOther(_url(connection))


def _connection(request: HttpRequest, pk: int) -> Connection:
    connections = Connection.objects.select_related("owner")
    return get_object_or_404(permitted(request.user, "view", connections), pk=pk)


def _session(request: HttpRequest) -> str:
    return str(request.session.session_key)


def _back() -> str:
    return reverse("studio:oauth_callback")


def _url(connection: Any) -> str:
    return reverse("admin:automate_connectors_connection_change", args=[connection.pk])
