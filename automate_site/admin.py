"""People and groups in the admin's own look."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.http import Http404, HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from automate_governance import roles
from automate_governance.admin import AuditorReadMixin
from automate_governance.admin_site import reverse
from automate_studio.people.admin import HandOverMixin
from automate_studio.ui.audit.history import object_history

admin.site.unregister(User)
admin.site.unregister(Group)


class PeoplePage(AuditorReadMixin):
    """Auditors read it, and its history is that of the audit trail."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """What was done to it."""
        obj = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if obj is None:
            raise Http404
        page = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change"
        return object_history(request, obj, str(obj), reverse(page, args=[obj.pk]))


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


class GroupForm(forms.ModelForm):  # type: ignore[type-arg]
    """What members do, as roles in words; each single permission below."""

    roles = forms.MultipleChoiceField(
        choices=list(roles.DESCRIPTIONS.items()),
        widget=forms.CheckboxSelectMultiple,
        required=False,
        label="Members may",
        help_text="Each is a set of permissions. To give or take single ones, open Single permissions.",
    )

    class Meta:
        model = Group
        fields = ("name", "permissions")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        held = set(self.instance.permissions.values_list("pk", flat=True)) if self.instance.pk else set()
        self._of_roles = {role: {each.pk: each for each in roles.permissions_of(role)} for role in roles.DESCRIPTIONS}
        self.initial["roles"] = [role for role, parts in self._of_roles.items() if parts and parts.keys() <= held]

    def clean(self) -> dict[str, Any]:
        """The single permissions, with those of roles that were ticked and without those that were cleared."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        chosen = cleaned.get("roles") or []
        wanted = {each.pk: each for each in cleaned.get("permissions") or ()}
        kept = {key for role in chosen for key in self._of_roles[role]}
        for role in {*self.initial["roles"]} - {*chosen}:
            wanted = {key: each for key, each in wanted.items() if key in kept or key not in self._of_roles[role]}
        for role in {*chosen} - {*self.initial["roles"]}:
            wanted |= self._of_roles[role]
        return {**cleaned, "permissions": Permission.objects.filter(pk__in=wanted)}


@admin.register(Group)
class GroupAdmin(PeoplePage, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Django's, in Unfold's look, with roles in words."""

    filter_horizontal = ()
    form = GroupForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Roles first, and single permissions folded; both are facts for those who only read."""
        folded = ("Single permissions", {"fields": ["permissions"], "classes": ["collapse"]})
        may_change = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return [(None, {"fields": ["name", "roles"] if may_change else ["name"]}), folded]
