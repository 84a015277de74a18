"""Secrets in the admin: values are write-only."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from automate_governance.admin import StoredSecretAdmin
from automate_governance.admin_site import reverse
from automate_governance.models import StoredSecret
from automate_governance.permissions import can
from automate_plugins import text
from automate_studio.secrets.elsewhere import external_references
from automate_studio.secrets.listing import secret_page
from automate_ui.formatting import format_dated
from automate_ui.navigation.admin_pages import list_response
from automate_ui.objects.admin import ObjectAdmin


class StudioSecretAdmin(ObjectAdmin, StoredSecretAdmin):
    """Secrets by name with key, last use and usage. No page shows a value."""

    new_title = text("New secret")
    list_title = text("Secrets")
    beside = "automate_studio/ui/objects/usage_card.html"

    def list_view(self, request: HttpRequest) -> HttpResponse:
        found = secret_page(request.user, request.GET, timezone.now())
        url = reverse("admin:automate_governance_storedsecret_changelist")
        may_add = can(request.user, "add", StoredSecret)
        more = {"may_add": may_add, "elsewhere": external_references(request.user)}
        return list_response(request, "automate_studio/secrets/list.html", _("Secrets"), url, found, **more)

    def readonly_facts(self, request: HttpRequest, obj: Any) -> dict[str, tuple[str, Any]]:
        """Read-only facts of a secret."""

        def dated(at: Any) -> str:
            return format_dated(timezone.localtime(at)) if at else _("Never")

        return {
            "name": (_("Name"), obj.name),
            "reference": (_("Reference"), obj.reference),
            "version": (_("Version"), obj.version),
            "protected_by": (_("Encryption key"), self.protected_by(obj)),
            "last_used_at": (_("Last used"), dated(obj.last_used_at)),
            "replaced_at": (_("Last changed"), dated(obj.replaced_at)),
            "ends_with": (_("Ends with"), self.ends_with(obj) if self.has_change_permission(request, obj) else ""),
        }
