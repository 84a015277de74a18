"""Edits of a draft by forms: what the connector says of itself, and one action with its fields.

A form says what people see; only what differs from the OpenAPI document is written into the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings as django_settings

from automate_connectors.declared.document import AuthKind, EffectKind
from automate_connectors.declared.openapi.connector import credential_settings
from automate_connectors.declared.openapi.operations import expand_action
from automate_connectors.declared.openapi.reader import Api
from automate_connectors.declared.parsing import FaultyDocumentError
from automate_connectors.declared.private_hosts import private_place
from automate_connectors.declared.yaml_files import DocumentError, read_document
from automate_connectors.stored.drafts import edit, read_api, read_mapping
from automate_connectors.stored.models import DeclaredConnectorDraft
from automate_connectors.stored.paging_edits import PagesView, change_pages, pages_view
from automate_egress.policy import is_listed_host
from automate_governance.permissions import Person

TEXTS = ("code", "name", "description", "icon", "base_url")  #: of a connector that a form edits


@dataclass(frozen=True, kw_only=True)
class ActionField:
    """A field of an action as a form shows it. One that is not `shown` is left out of the action."""

    name: str
    label: str = ""
    help: str = ""
    kind: str = "text"
    required: bool = False
    shown: bool = True


@dataclass(frozen=True, kw_only=True)
class ActionView:
    """An action as a form shows it. `checks`: it is the call that tests a connection."""

    name: str
    label: str = ""
    description: str = ""
    group: str = ""
    method: str = "GET"
    path: str = ""
    operation: str = ""
    effect: str = EffectKind.READ
    hidden: bool = False
    checks: bool = False
    fields: list[ActionField] = field(default_factory=list)
    pages: PagesView = field(default_factory=PagesView)
    fault: str = ""  #: why its operation cannot be read


def read_value(draft: DeclaredConnectorDraft) -> dict[str, Any]:
    """Return the value of a draft's text; an empty one where it cannot be read as a mapping."""
    try:
        value = read_document(draft.text.encode())
    except DocumentError:
        return {}
    return value if isinstance(value, dict) else {}


def private_address(draft: DeclaredConnectorDraft) -> str:
    """Return the "host:port" of a draft's API on a private host that the settings do not list; else ""."""
    value = read_value(draft)
    settings = [each for each in _listed(value.get("connection")) if isinstance(each, dict)]
    defaults = {f"{{{each.get('name')}}}": str(each.get("default") or "") for each in settings}
    address = str(value.get("base_url") or "")
    first = address.partition("}")[0] + "}" if address.startswith("{") else ""
    place = private_place(defaults.get(first, address))
    host, _, port = place.rpartition(":")
    if not place or is_listed_host(host.strip("[]"), int(port), getattr(django_settings, "AUTOMATE_EGRESS_ALLOW", ())):
        return ""
    return place


def reading_fault(written: str) -> DocumentError | None:
    """Return why a text cannot be read as YAML with a list of actions; None for one that can."""
    try:
        read_mapping(written)
    except DocumentError as error:
        return error
    return None


def action_views(draft: DeclaredConnectorDraft) -> list[ActionView]:
    """Return the actions of a draft, as far as they can be read."""
    value = read_value(draft)
    actions = [each if isinstance(each, dict) else {} for each in _listed(value.get("actions"))]
    api = read_api(draft) if draft.document and any("operation" in each for each in actions) else None
    check = value.get("check")
    checked = check.get("action") if isinstance(check, dict) else None
    return [_action_view(api, each, checked) for each in actions]


def _action_view(api: Api | None, written: dict[str, Any], checked: Any) -> ActionView:
    made, fault = written, ""
    try:
        made = expand_action(api, written) if api else written
    except (DocumentError, FaultyDocumentError) as error:
        fault = str(error)
    texts = {name: str(made.get(name) or "") for name in ("name", "label", "description", "group", "path", "operation")}
    method = str(made.get("method") or "GET")
    fields = [_action_field(each) for each in _listed(made.get("fields")) if isinstance(each, dict)]
    left_out = _listed(written.get("without"))
    if api and left_out and not fault:
        every = expand_action(api, {**written, "without": []})
        fields = [_action_field(each, shown=each.get("name") not in left_out) for each in every["fields"]]
    return ActionView(
        **texts,
        method=method,
        effect=str(made.get("effect") or (EffectKind.READ if method == "GET" else EffectKind.WRITE)),
        hidden=made.get("hidden") is True,
        checks=checked is not None and made.get("name") == checked,
        fields=fields,
        pages=pages_view(made.get("pages")),
        fault=fault,
    )


def _action_field(each: dict[str, Any], *, shown: bool = True) -> ActionField:
    return ActionField(
        name=str(each.get("name") or ""),
        label=str(each.get("label") or ""),
        help=str(each.get("help") or ""),
        kind=str(each.get("kind") or "text"),
        required=each.get("required") is True,
        shown=shown,
    )


def edit_connector_texts(
    draft: DeclaredConnectorDraft, given: Mapping[str, str], auth: Mapping[str, str], *, by: Person
) -> None:
    """Write what a connector says of itself, and how it signs in. Raises NotPermittedError, DocumentError.

    `auth` has `type`, and `name` or `provider` where the type needs one. A setting for the credential is added.
    """

    def change(value: Any) -> None:
        for name in TEXTS:
            if name in given and given[name] != str(value.get(name) or ""):
                value[name] = given[name]
        _change_auth(value, auth)

    edit(draft, change, by=by)


def _change_auth(value: Any, given: Mapping[str, str]) -> None:
    present = value.get("auth") if isinstance(value.get("auth"), dict) else {"type": "none"}
    wanted = {name: value for name, value in given.items() if value}
    if not wanted or all(present.get(name) == each for name, each in wanted.items()):
        return
    is_new = present.get("type") != wanted.get("type")
    value["auth"] = wanted if is_new else {**present, **wanted}
    settings = value.get("connection")
    if not isinstance(settings, list):
        settings = value["connection"] = []
    names = {each.get("name") for each in settings if isinstance(each, dict)}
    kind = AuthKind(wanted.get("type", "none"))
    settings.extend(each for each in credential_settings(kind) if is_new and each["name"] not in names)


def edit_action(draft: DeclaredConnectorDraft, index: int, given: ActionView, *, by: Person) -> None:
    """Write an action of the text as a form shows it. Raises NotPermittedError, DocumentError."""
    before = action_views(draft)[index]

    def change(value: Any) -> None:
        action = value["actions"][index]
        for name in ("name", "label", "description", "group", "effect"):
            if getattr(given, name) != getattr(before, name):
                action[name] = getattr(given, name)
        if given.hidden is not before.hidden:
            action["hidden"] = given.hidden
        _change_fields(action, before.fields, given.fields, from_operation=bool(before.operation and draft.document))
        change_pages(action, before.pages, given.pages)
        _change_check(value, before, given)
        for rule in _callers(value):
            if rule.get("action") == before.name:
                rule["action"] = given.name

    edit(draft, change, by=by)


def _callers(value: Any) -> list[Any]:
    """Return what calls an action by its name, except the check: options, polls and webhooks."""
    found = [*(value.get("options") or {}).values(), *(value.get("polls") or ())]
    found += [each["details"] for each in value.get("polls") or () if each.get("details")]
    calls = ("register", "list", "remove")
    return found + [each[name] for each in value.get("webhooks") or () for name in calls if each.get(name)]


def _change_fields(
    action: Any, before: list[ActionField], given: Iterable[ActionField], *, from_operation: bool
) -> None:
    known = {each.name: each for each in before}
    hidden = [each.name for each in given if each.name in known and not each.shown]
    listed = action.get("fields")
    if not isinstance(listed, list):
        listed = action["fields"] = []
    for each in given:
        old = known.get(each.name)
        changes = {
            name: getattr(each, name)
            for name in ("label", "help", "required")
            if old is not None and getattr(each, name) != getattr(old, name)
        }
        if changes and each.shown:
            present = next((one for one in listed if one.get("name") == each.name), None)
            if present is None:
                present = {"name": each.name}
                listed.append(present)
            present.update(changes)
    if from_operation:
        action["without"] = hidden
    listed[:] = [one for one in listed if one.get("name") not in hidden]
    for name in ("without", "fields"):
        if not action.get(name):
            action.pop(name, None)


def _change_check(value: Any, before: ActionView, given: ActionView) -> None:
    check = value.get("check") if isinstance(value.get("check"), dict) else {}
    if given.checks:
        value["check"] = {**(check if check.get("action") == before.name else {}), "action": given.name}
    elif check.get("action") == before.name:
        value.pop("check")


def remove_action(draft: DeclaredConnectorDraft, index: int, *, by: Person) -> None:
    """Take an action out of the text. Raises NotPermittedError, DocumentError."""

    def change(value: Any) -> None:
        removed = value["actions"].pop(index)
        check = value.get("check")
        if isinstance(check, dict) and check.get("action") == removed.get("name"):
            value.pop("check")

    edit(draft, change, by=by)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
