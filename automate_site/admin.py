"""People and groups in the admin's own look."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import Http404, HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from automate_governance.admin import ReadByAuditors
from automate_governance.admin_site import reverse
from automate_studio.people.admin import HandOverMixin
from automate_studio.trail import views as trail

admin.site.unregister(User)
admin.site.unregister(Group)


class PeoplePage(ReadByAuditors):
    """Auditors read it, and its history is that of the audit trail."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """What was done to it."""
        obj = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if obj is None:
            raise Http404
        page = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change"
        return trail.history(request, obj, str(obj), reverse(page, args=[obj.pk]))


@admin.register(User)
class UserAdmin(HandOverMixin, PeoplePage, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    """Django's, with Unfold's forms: its two-sided lists name their parts by what no screen reader says."""

    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without the password's hash for those who only read: a field that is not edited shows it as it is stored."""
        found = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return found
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name != "password"]})
            for title, options in found
        ]


@admin.register(Group)
class GroupAdmin(PeoplePage, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Django's, in Unfold's look."""

    filter_horizontal = ()
