"""Admin pages of users and groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Case, Value, When
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm
from unfold.widgets import UnfoldAdminSelect2MultipleWidget

from automate_governance import roles, sign_in
from automate_governance.admin import AuditorReadMixin
from automate_governance.admin_site import reverse
from automate_governance.people import password_changes
from automate_governance.people.labels import group_label, permission_label
from automate_site.people_forms import STAFF_LABEL, GroupField, GroupForm, NewUserForm, PermissionField, UserForm
from automate_studio.people.admin import HandOverMixin, SignInMixin
from automate_studio.people.rights_change import RightsMixin
from automate_ui.audit.history import object_history
from automate_ui.formatting import format_exact
from automate_ui.navigation.http import current_person

admin.site.unregister(User)
admin.site.unregister(Group)
if apps.is_installed("oauth2_provider"):  # clients and their tokens are API tokens of people
    admin.site.unregister(filter(admin.site.is_registered, apps.get_app_config("oauth2_provider").get_models()))


#: Field -> method of the page that writes it for people who may only view.
_READ_ONLY = {"permissions": "allowed", "user_permissions": "allowed_alone", "groups": "member_of"}


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
        is_permissions = db_field.related_model is Permission
        if is_permissions:  # in a plain list, one click would deselect all others
            options["widget"] = UnfoldAdminSelect2MultipleWidget({"data-placeholder": _("Search permissions")})
        found = super().formfield_for_manytomany(db_field, request, **options)  # type: ignore[misc]
        if is_permissions and found is not None:
            found.widget.attrs["class"] = "unfold-admin-autocomplete admin-autocomplete"  # else a plain list's
            found.help_text = _("Type to search. Choose or remove one at a time.")
        return found

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


def _fold_permissions(fieldsets: list[Any]) -> Iterator[Any]:
    """Move the single permissions into a part of their own, which is folded: roles are what people choose."""
    single = {"user_permissions", _READ_ONLY["user_permissions"]}
    for title, options in fieldsets:
        kept = [name for name in options["fields"] if name not in single]
        yield title, {**options, "fields": kept}
        if folded := [name for name in options["fields"] if name in single]:
            yield _("Single permissions"), {"fields": folded, "classes": ["collapse"]}


#: Field -> method of the page that writes its time as other pages do.
_TIMES = {"last_login": "signed_in_at", "date_joined": "joined_at"}


@admin.register(User)
class UserAdmin(HandOverMixin, SignInMixin, PeoplePage, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    """Django's user admin with Unfold's forms; without its two-sided lists, whose parts have no accessible names."""

    filter_horizontal = ()
    list_filter = ("is_staff", "is_superuser", "is_active", ("groups", GroupsFilter))
    list_display = ("username", "full_name", "email", "roles", "opens_site", "active", "signed_in_at")
    actions_detail = (*HandOverMixin.actions_detail, *SignInMixin.actions_detail)
    readonly_fields = ("signed_in_at", "joined_at", "sign_in_state")
    form = UserForm
    add_form = NewUserForm
    add_fieldsets = (
        (
            None,
            {"classes": ("wide",), "fields": ("username", "usable_password", "password1", "password2", "must_change")},
        ),
    )
    change_password_form = AdminPasswordChangeForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out the password's hash for people who may only view: a read-only field shows it as stored."""
        if obj is None:
            return super().get_fieldsets(request, obj)
        hidden = set() if self.has_change_permission(request, obj) else {"password"}
        found = [
            (title, {**options, "fields": [_TIMES.get(name, name) for name in options["fields"] if name not in hidden]})
            for title, options in super().get_fieldsets(request, obj)
        ]
        found[0][1]["fields"].append("sign_in_state")
        return list(_fold_permissions(found))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Have a new person change the password, if that was chosen."""
        super().save_model(request, obj, form, change)
        if not change and form.cleaned_data.get("must_change"):
            password_changes.require_change(obj, by=current_person(request))

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read the groups and locks of all listed people at once."""
        locked = [person.pk for person in sign_in.locked_people()]
        is_locked = Case(When(pk__in=locked, then=True), default=False) if locked else Value(False)
        return super().get_queryset(request).annotate(is_locked=is_locked).prefetch_related("groups")

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Say so when a role has no effect, because the person cannot open the site."""
        if obj.is_active and not obj.is_staff and obj.groups.filter(name__in=roles.DESCRIPTIONS).exists():
            messages.warning(
                request,
                gettext("%(person)s has a role, but cannot open this site. Turn on “%(field)s”.")
                % {"person": obj.get_username(), "field": STAFF_LABEL},
            )
        return super().response_change(request, obj)

    @admin.display(description=_("Name"), ordering="last_name")
    def full_name(self, obj: Any) -> str:
        """First and last name."""
        return str(obj.get_full_name())

    @admin.display(description=_("Roles"))
    def roles(self, obj: Any) -> str:
        """Groups, the shipped ones in the active language."""
        names = [gettext("Superuser")] if obj.is_superuser else []
        return ", ".join([*names, *(group_label(each.name) for each in obj.groups.all())]) or "-"

    @display(description=_("Opens this site"), ordering="is_staff", boolean=True)  # type: ignore[untyped-decorator]
    def opens_site(self, obj: Any) -> bool:
        """Whether the person may open the admin."""
        return bool(obj.is_staff)

    @display(description=_("Active"), ordering="is_active", boolean=True)  # type: ignore[untyped-decorator]
    def active(self, obj: Any) -> bool:
        """Whether the person may sign in."""
        return bool(obj.is_active)

    @admin.display(description=_("Last sign-in"), ordering="last_login")
    def signed_in_at(self, obj: Any) -> str:
        """Time of the last sign-in, and whether the next is locked."""
        time = format_exact(obj.last_login) or gettext("Never")
        return gettext("%(time)s (locked)") % {"time": time} if getattr(obj, "is_locked", False) else time

    @admin.display(description=_("Created"))
    def joined_at(self, obj: Any) -> str:
        """Time of the account's creation."""
        return format_exact(obj.date_joined)


@admin.register(Group)
class GroupAdmin(RightsMixin, PeoplePage, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
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
