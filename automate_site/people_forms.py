"""Forms of users and groups: roles with their descriptions first, single permissions by what they allow."""

from __future__ import annotations

from typing import Any

from django import forms
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from guardian.models.models import BaseObjectPermission
from unfold.forms import UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldBooleanWidget

from automate_governance import roles
from automate_governance.people.labels import group_label, permission_label

STAFF_LABEL = _("Can open this site (staff status)")


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
    """Groups as check boxes, the shipped ones with their descriptions, in the language of the person who chooses."""

    def __init__(self, queryset: Any, **options: Any) -> None:
        super().__init__(queryset, **{**options, "widget": UnfoldAdminCheckboxSelectMultipleWidget()})

    def label_from_instance(self, obj: Any) -> str:
        label, description = group_label(obj.name), roles.DESCRIPTIONS.get(obj.name)
        return (
            gettext("%(role)s. %(description)s") % {"role": label, "description": description} if description else label
        )


class NewUserForm(UserCreationForm):  # type: ignore[misc]
    """Django's form, with the choice that the new person changes the password that an administrator typed."""

    must_change = forms.BooleanField(
        required=False,
        initial=True,
        label=_("Must change the password at the first sign-in"),
        widget=UnfoldBooleanWidget,
    )


class UserForm(UserChangeForm):  # type: ignore[misc]
    """Django's form in the words of this product."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words: dict[str, tuple[Any, Any]] = {
            "is_active": (_("Active"), _("Can sign in. Deactivate an account instead of deleting it.")),
            "is_staff": (STAFF_LABEL, _("Needed for every role. Without it, a person can only decide tasks.")),
            "is_superuser": (_("Superuser"), _("May do everything, without any role.")),
            "groups": (_("Roles and groups"), _("A person has the permissions of all chosen groups.")),
        }
        for name, (label, help_text) in words.items():
            if name in self.fields:
                self.fields[name].label, self.fields[name].help_text = label, help_text

    def clean(self) -> dict[str, Any]:
        """Keep the last superuser who can open the site: afterwards nobody could change accounts here."""
        cleaned: dict[str, Any] = super().clean()
        others = type(self.instance)._default_manager.exclude(pk=self.instance.pk)
        needed = {"is_active": True, "is_staff": True, "is_superuser": True}
        was_one = type(self.instance)._default_manager.filter(pk=self.instance.pk, **needed).exists()
        lost = [name for name in needed if name in self.fields and not cleaned.get(name)]
        if was_one and lost and not others.filter(**needed).exists():
            self.add_error(
                lost[0], _("This is the only superuser who can open the site. Make another person a superuser first.")
            )
        return cleaned


class GroupForm(forms.ModelForm):  # type: ignore[type-arg]
    """Form of a group: permissions of its members as roles, and single permissions below."""

    roles = forms.MultipleChoiceField(
        choices=list(roles.DESCRIPTIONS.items()),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
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
