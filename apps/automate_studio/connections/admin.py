"""Connections in the admin: list, choice of connector, and a form built from the connector's description."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from automate_connectors.admin import EXECUTOR_POOL, SETTING_PREFIX, SIGN_IN, ConnectionAdmin
from automate_connectors.oauth.form_fields import sign_in_conditions
from automate_connectors.registry import connectors, find_adapter
from automate_core.engine.effects.executor_pools import declared_pool_names
from automate_governance.admin_site import reverse
from automate_governance.texts import translated
from automate_plugins import text
from automate_studio.connections import views
from automate_studio.connections.views import build_panel, choose_connector
from automate_studio.view_models.connection_health import ConnectionHealth
from automate_ui.objects.admin import ObjectAdmin
from automate_ui.objects.form_view import Conditions


class StudioConnectionAdmin(ObjectAdmin, ConnectionAdmin):
    """Connections with health, usage and sharing."""

    list_title = text("Connections")
    share_kind = "connection"
    above = "automate_studio/connections/health.html"
    beside = "automate_studio/connections/form_aside.html"
    folded = (SIGN_IN, text("Allowed hosts"), text("Rate limit"), EXECUTOR_POOL)

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The pool, where the site declares none and the connection names none."""
        return () if declared_pool_names() or (obj and obj.runs_on) else ("runs_on",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form of the connection's connector, with the declared pools as choices."""
        form = super().get_form(request, obj, change=change, **kwargs)
        if "runs_on" in form.base_fields:
            form.base_fields["runs_on"] = _pool_field(obj.runs_on if obj else "")
        return form

    def list_view(self, request: HttpRequest) -> HttpResponse:
        return views.connection_list(request)

    def object_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Health, and context of the connection test."""
        return {"panel": build_panel(request, obj)}

    def readonly_facts(self, request: HttpRequest, obj: Any) -> dict[str, tuple[str, Any]]:
        """Connector and slug, which cannot be changed."""
        adapter = ConnectionHealth(connection=obj).adapter
        return {
            "slug": (_("Short name"), obj.slug),
            "connector": (_("App"), translated(adapter.name) if adapter else obj.connector),
            "name": (_("Name"), obj.name),
        }

    def get_folded(self, form: Any) -> tuple[str, ...]:
        """All but what one begins with: the sign-in, where the app has one."""
        signs_in = form.adapter is not None and form.adapter.oauth_provider
        return tuple(title for title in self.folded if not (signs_in and title == SIGN_IN))

    def get_conditions(self, form: Any) -> Conditions:
        """Those of the sign-in, and of the connector's settings."""
        settings = form.adapter.config_fields if form.adapter else ()
        own = {
            f"{SETTING_PREFIX}{spec.name}": ((f"{SETTING_PREFIX}{spec.when[0]}", spec.when[1]),)
            for spec in settings
            if spec.when
        }
        return {**sign_in_conditions(), **own}

    def add_title(self, form: Any) -> str:
        """Title with the name of the connector."""
        if form.adapter is None:
            return _("Connect an app")
        return _("Connect %(app)s") % {"app": translated(form.adapter.name)}

    def form_context(self, form: Any) -> dict[str, Any]:
        """The test before saving, and the help page of the app."""
        adapter = form.adapter
        return {
            "adapter": adapter,
            "may_try": adapter is not None and adapter.can_check,
            "help_url": _help_url(adapter.code) if adapter else "",
        }

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Choice of connector, then its form."""
        chosen = request.POST.get("connector") or request.GET.get("connector") or ""
        adapter = find_adapter(chosen)
        needs_other = not chosen or (adapter is not None and not adapter.takes_connection)
        if needs_other and self.has_add_permission(request):
            return choose_connector(request)
        response: HttpResponse = super().add_view(request, form_url, extra_context)
        return response


def _pool_field(present: str) -> forms.ChoiceField:
    """The choice of a pool. One that the site no longer declares stays until another is chosen."""
    names = declared_pool_names()
    choices = [("", _("Pool of the workflow")), *((name, name) for name in names)]
    if present and present not in names:
        choices.append((present, _("%(value)s (not available)") % {"value": present}))
    help_text = _("Executor pool that performs its steps. A step can choose another.")
    return forms.ChoiceField(label=_("Runs on"), choices=choices, required=False, help_text=help_text)


def _help_url(code: str) -> str:
    """The page of a built-in connector in Help; "" for another one, which has none."""
    is_built_in = any(each.name == code and each.is_built_in for each in connectors.plugins)
    return reverse("studio:help_page", args=[f"connectors/{code}"]) if is_built_in else ""
