"""Admin pages of users and groups."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
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
    """Page that auditors may read; its history is the audit trail."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show the audit trail of the object. Raises Http404."""
        obj = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if obj is None:
            raise Http404
        page = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change"
        return object_history(request, obj, str(obj), reverse(page, args=[obj.pk]))


@admin.register(User)
class UserAdmin(HandOverMixin, PeoplePage, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    """Django's user admin with Unfold's forms; without its two-sided lists, whose parts have no accessible names."""

    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out the password's hash for people who may only view: a read-only field shows it as stored."""
        found = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return found
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name != "password"]})
            for title, options in found
        ]


class GroupForm(forms.ModelForm):  # type: ignore[type-arg]
    """Form of a group: permissions of its members as roles, and single permissions below."""

    roles = forms.MultipleChoiceField(
        choices=list(roles.DESCRIPTIONS.items()),
        widget=forms.CheckboxSelectMultiple,
        required=False,
        label=_("Members may"),
        help_text=_("Each role is a set of permissions. Open Single permissions to change them one by one."),
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
        """Add the permissions of selected roles to the single permissions, and remove those of deselected roles."""
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
    """Django's group admin in Unfold's style, with roles."""

    filter_horizontal = ()
    form = GroupForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show roles first, and single permissions collapsed; people who may only view see no role inputs."""
        folded = (_("Single permissions"), {"fields": ["permissions"], "classes": ["collapse"]})
        may_change = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return [(None, {"fields": ["name", "roles"] if may_change else ["name"]}), folded]
