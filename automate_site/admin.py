"""Admin pages of users and groups."""

from __future__ import annotations

from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from guardian.models.models import BaseObjectPermission
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from automate_governance import roles
from automate_governance.admin import AuditorReadMixin
from automate_governance.admin_site import reverse
from automate_governance.people.labels import group_label, permission_label
from automate_studio.people.admin import HandOverMixin
from automate_studio.ui.audit.history import object_history
from automate_studio.ui.formatting import format_exact

admin.site.unregister(User)
admin.site.unregister(Group)
if apps.is_installed("oauth2_provider"):  # clients and their tokens are API tokens of people
    admin.site.unregister(filter(admin.site.is_registered, apps.get_app_config("oauth2_provider").get_models()))


#: Field -> method of the page that writes it for people who may only view.
_READ_ONLY = {"permissions": "allowed", "user_permissions": "allowed_alone", "groups": "member_of"}


class PermissionField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Permissions by what they allow, in the language of the person who chooses.

    Those of tables that only give people and groups permissions for objects are left out: they allow nothing.
    """

    def __init__(self, queryset: Any, **options: Any) -> None:
        tables = [each._meta.model_name for each in apps.get_models() if issubclass(each, BaseObjectPermission)]
        super().__init__(queryset.exclude(content_type__model__in=tables), **options)

    def label_from_instance(self, obj: Any) -> str:
        return permission_label(obj)


class GroupField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Groups, the shipped ones in the language of the person who chooses."""

    def label_from_instance(self, obj: Any) -> str:
        return group_label(obj.name)


class GroupsFilter(admin.RelatedFieldListFilter):
    """Users of a group."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """Show the shipped groups in the active language."""
        return [(key, group_label(str(name))) for key, name in super().field_choices(field, request, model_admin)]


def _permission_names(permissions: Any) -> str:
    return ", ".join(map(permission_label, permissions.select_related("content_type"))) or "-"


def _without(tree: list[Any], beginnings: tuple[str, ...]) -> list[Any]:
    """The nested texts of a page that deletes, without those that begin so."""
    kept = [_without(each, beginnings) if isinstance(each, list) else each for each in tree]
    return [each for each in kept if each and not (isinstance(each, str) and each.startswith(beginnings))]


class PeoplePage(AuditorReadMixin):
    """Page that auditors may read; its history is the audit trail."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Show names of permissions and groups in the active language."""
        kinds = {Permission: PermissionField, Group: GroupField}
        options |= {"form_class": kinds[db_field.related_model]} if db_field.related_model in kinds else {}
        return super().formfield_for_manytomany(db_field, request, **options)  # type: ignore[misc]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the names to people who may only view: Django writes the stored ones into read-only fields."""
        found = super().get_fieldsets(request, obj)  # type: ignore[misc]
        if obj is None or self.has_change_permission(request, obj):  # type: ignore[attr-defined]
            return found
        return [
            (title, {**options, "fields": [_READ_ONLY.get(name, name) for name in options["fields"]]})
            for title, options in found
        ]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Leave out rows of tables that only join two others: they say nothing to people."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)  # type: ignore[misc]
        joins = [model._meta for model in apps.get_models(include_auto_created=True) if model._meta.auto_created]
        single = tuple(f"{capfirst(meta.verbose_name)}: " for meta in joins)
        many = {meta.verbose_name_plural for meta in joins}
        counts = {name: count for name, count in counts.items() if name not in many}
        return _without(deleted, single), counts, lacking, protected

    @admin.display(description=_("Permissions"))
    def allowed(self, obj: Any) -> str:
        """Permissions of a group."""
        return _permission_names(obj.permissions)

    @admin.display(description=_("Permissions"))
    def allowed_alone(self, obj: Any) -> str:
        """Permissions of a user, without those of groups."""
        return _permission_names(obj.user_permissions)

    @admin.display(description=_("Groups"))
    def member_of(self, obj: Any) -> str:
        """Groups of a user."""
        return ", ".join(group_label(each.name) for each in obj.groups.all()) or "-"

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show the audit trail of the object. Raises Http404."""
        obj = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if obj is None:
            raise Http404
        page = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change"
        shown = group_label(obj.name) if isinstance(obj, Group) else str(obj)
        return object_history(request, obj, shown, reverse(page, args=[obj.pk]))


#: Field -> method of the page that writes its time as other pages do.
_TIMES = {"last_login": "signed_in_at", "date_joined": "joined_at"}


@admin.register(User)
class UserAdmin(HandOverMixin, PeoplePage, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    """Django's user admin with Unfold's forms; without its two-sided lists, whose parts have no accessible names."""

    filter_horizontal = ()
    list_filter = ("is_staff", "is_superuser", "is_active", ("groups", GroupsFilter))
    readonly_fields = ("signed_in_at", "joined_at")
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out the password's hash for people who may only view: a read-only field shows it as stored."""
        hidden = set() if obj is None or self.has_change_permission(request, obj) else {"password"}
        return [
            (title, {**options, "fields": [_TIMES.get(name, name) for name in options["fields"] if name not in hidden]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    @admin.display(description=_("Last sign-in"))
    def signed_in_at(self, obj: Any) -> str:
        """Time of the last sign-in."""
        return format_exact(obj.last_login) or gettext("Never")

    @admin.display(description=_("Created"))
    def joined_at(self, obj: Any) -> str:
        """Time of the account's creation."""
        return format_exact(obj.date_joined)


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
        if (shown := group_label(self.instance.name)) != self.instance.name and "name" in self.fields:
            self.fields["name"].help_text = gettext("Shown as %(name)s.") % {"name": shown}
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
    list_display = ("label",)

    @admin.display(description=_("Name"), ordering="name")
    def label(self, obj: Group) -> str:
        """Name of a group."""
        return group_label(obj.name)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> Any:
        """Show the name of a shipped group in the title as lists do."""
        if group := options.get("obj"):
            context["subtitle"] = group_label(group.name)
        return super().render_change_form(request, context, *args, **options)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show roles first, and single permissions collapsed; people who may only view see no role inputs."""
        may_change = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        single = "permissions" if may_change else _READ_ONLY["permissions"]
        folded = (_("Single permissions"), {"fields": [single], "classes": ["collapse"]})
        return [(None, {"fields": ["name", "roles"] if may_change else ["name"]}), folded]
