"""Names of permissions and of the shipped groups in the language of the person who reads them.

The stored names stay English: permissions and groups are found by them.
"""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission
from django.utils.translation import gettext as _

from automate_governance import roles
from automate_governance.texts import translated
from automate_plugins import text

#: By codename. A permission of other apps is shown by its own name.
_PERMISSIONS = {
    "operate_site": text("Can operate workers and dead jobs"),
    "administer_site": text("Can administer plug-ins, notification rules and retention"),
    "audit_site": text("Can read the audit trail"),
    "erase_site": text("Can find and erase personal data"),
    "view_llmusage": text("Can view model usage"),
    "add_workflow": text("Can create workflows"),
    "view_workflow": text("Can view own and shared workflows"),
    "view_payload_workflow": text("Can view payloads of own and shared workflows"),
    "change_workflow": text("Can change own and shared workflows"),
    "run_workflow": text("Can run own and shared workflows"),
    "operate_workflow": text("Can operate own and shared workflows"),
    "publish_workflow": text("Can publish own and shared workflows"),
    "share_workflow": text("Can share own and shared workflows"),
    "delete_workflow": text("Can delete own and shared workflows"),
    "view_any_workflow": text("Can view all workflows"),
    "view_payload_any_workflow": text("Can view payloads of all workflows"),
    "change_any_workflow": text("Can change all workflows"),
    "run_any_workflow": text("Can run all workflows"),
    "operate_any_workflow": text("Can operate all workflows"),
    "publish_any_workflow": text("Can publish all workflows"),
    "share_any_workflow": text("Can share all workflows"),
    "delete_any_workflow": text("Can delete all workflows"),
    "add_webhookendpoint": text("Can create webhook endpoints"),
    "view_webhookendpoint": text("Can view own and shared webhook endpoints"),
    "view_payload_webhookendpoint": text("Can view payloads of own and shared webhook endpoints"),
    "change_webhookendpoint": text("Can change own and shared webhook endpoints"),
    "share_webhookendpoint": text("Can share own and shared webhook endpoints"),
    "delete_webhookendpoint": text("Can delete own and shared webhook endpoints"),
    "view_any_webhookendpoint": text("Can view all webhook endpoints"),
    "view_payload_any_webhookendpoint": text("Can view payloads of all webhook endpoints"),
    "change_any_webhookendpoint": text("Can change all webhook endpoints"),
    "share_any_webhookendpoint": text("Can share all webhook endpoints"),
    "delete_any_webhookendpoint": text("Can delete all webhook endpoints"),
    "add_connection": text("Can create connections"),
    "view_connection": text("Can view own and shared connections"),
    "use_connection": text("Can use own and shared connections"),
    "change_connection": text("Can change own and shared connections"),
    "share_connection": text("Can share own and shared connections"),
    "delete_connection": text("Can delete own and shared connections"),
    "view_any_connection": text("Can view all connections"),
    "use_any_connection": text("Can use all connections"),
    "change_any_connection": text("Can change all connections"),
    "share_any_connection": text("Can share all connections"),
    "delete_any_connection": text("Can delete all connections"),
    "add_storedsecret": text("Can create secrets"),
    "use_storedsecret": text("Can use own and shared secrets"),
    "replace_storedsecret": text("Can replace own and shared secrets"),
    "delete_storedsecret": text("Can delete own and shared secrets"),
    "use_any_storedsecret": text("Can use all secrets"),
    "replace_any_storedsecret": text("Can replace all secrets"),
    "delete_any_storedsecret": text("Can delete all secrets"),
}


def permission_label(permission: Permission) -> str:
    """Return what a permission allows, after its app and model as Django writes it."""
    return f"{permission.content_type} | {_allowed(permission)}"


def _allowed(permission: Permission) -> str:
    codename, model = permission.codename, permission.content_type.model_class()
    if permission.content_type.app_label.startswith("automate_") and codename in _PERMISSIONS:
        return translated(_PERMISSIONS[codename])
    names = {"object": model._meta.verbose_name} if model else {}
    verb = codename.removesuffix(f"_{permission.content_type.model}")
    if not names or verb not in model._meta.default_permissions:  # type: ignore[union-attr]
        return translated(permission.name)
    match verb:
        case "add":
            return _("Can add %(object)s") % names
        case "change":
            return _("Can change %(object)s") % names
        case "delete":
            return _("Can delete %(object)s") % names
        case "view":
            return _("Can view %(object)s") % names
    return translated(permission.name)


def group_label(name: str) -> str:
    """Return the name of a group as it is shown: translated where a site has it from the start."""
    return translated(name) if name in roles.DESCRIPTIONS else name


def find_group(name: str) -> Group | None:
    """Return the group that a person means by a name: the stored one, or the one that is shown to them."""
    shipped = [each for each in roles.DESCRIPTIONS if group_label(each) == name]
    found = {group.name: group for group in Group.objects.filter(name__in=[name, *shipped])}
    return found.get(name) or next(iter(found.values()), None)
