"""The connector contract's own descriptions, made from a document: settings, inputs and outputs."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.polls import Poll
from automate_connectors.adapters.webhooks import Webhook
from automate_connectors.declared.document import (
    ActionPart,
    AuthKind,
    Column,
    Document,
    Field,
    ListColumn,
    PollPart,
    Setting,
    WebhookPart,
)
from automate_connectors.paging import MAX_ITEMS
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

LIMIT = "limit"  #: the input of every action with pages
_KINDS: tuple[tuple[type, FieldKind], ...] = (
    (bool, FieldKind.BOOLEAN),
    (int, FieldKind.INTEGER),
    (float, FieldKind.NUMBER),
    (str, FieldKind.TEXT),
    (list, FieldKind.LIST),
    (dict, FieldKind.MAPPING),
)


def base_urls(document: Document) -> list[str]:
    """Return the base URLs of the document and of its actions."""
    return list(dict.fromkeys([document.base_url, *filter(None, (each.base_url for each in document.actions))]))


def config_fields(document: Document) -> tuple[FieldSpec, ...]:
    """Return the settings of a connection: those of the document, a token for OAuth, and the API URL."""
    found = [_setting(setting) for setting in document.connection]
    names = {spec.name for spec in found}
    if document.auth.type is AuthKind.OAUTH and "token" not in names:
        found.append(
            FieldSpec(
                name="token",
                label=text("Access token"),
                kind=FieldKind.SECRET,
                help=text("Leave empty to sign in instead."),
            )
        )
    if "base_url" not in names:
        found.append(
            FieldSpec(
                name="base_url",
                label=text("API URL"),
                kind=FieldKind.URL,
                help=text("Leave empty to use the address of the service."),
            )
        )
    return tuple(found)


def action_fields(action: ActionPart) -> tuple[FieldSpec, ...]:
    """Return the inputs of an action; with pages, the number of items too."""
    found = [_field(spec) for spec in action.fields]
    if action.pages is not None:
        found.append(
            FieldSpec(
                name=LIMIT,
                label=text("Maximum items"),
                kind=FieldKind.INTEGER,
                default=action.pages.limit,
                help=text("Up to %(count)s", count=MAX_ITEMS),
            )
        )
    return tuple(found)


def outputs(action: ActionPart) -> tuple[FieldSpec, ...]:
    """Return the values of an output: those that are written, or those of the sample."""
    if action.pages is not None:
        return (
            FieldSpec(name="items", kind=FieldKind.LIST),
            FieldSpec(name="count", kind=FieldKind.INTEGER),
            FieldSpec(name="complete", kind=FieldKind.BOOLEAN),
        )
    if action.outputs is not None:
        return tuple(FieldSpec(name=each.name, kind=each.kind) for each in action.outputs)
    match action.answer:
        case "none":
            return (FieldSpec(name="status", kind=FieldKind.INTEGER),)
        case "text":
            return (FieldSpec(name="text"),)
        case "file":
            return (FieldSpec(name="file", kind=FieldKind.FILE),)
    members = action.sample if isinstance(action.sample, dict) else {}
    return tuple(FieldSpec(name=name, kind=_kind(value)) for name, value in members.items() if name.isidentifier())


def poll(document: Document, part: PollPart) -> Poll:
    """Return a poll of the contract: its inputs are those of the action that it names, and its own."""
    return Poll(
        name=part.name,
        label=part.label,
        description=part.description,
        fields=tuple(map(_field, poll_fields(document, part))),
        least_seconds=part.least_seconds,
        sample=poll_sample(document, part),
    )


def poll_fields(document: Document, part: PollPart) -> list[Field]:
    """Return the inputs of a poll. Raises LookupError for one that its action does not have."""
    sent = {field.name: field for field in document.action(part.action).fields}
    return [sent[each] if isinstance(each, str) else each for each in part.fields]


def poll_sample(document: Document, part: PollPart) -> dict[str, Any]:
    """Return the data of an item: the poll's own sample, or that of the action which gives it; {} without one."""
    sample = part.sample or document.action(part.details.action if part.details else part.action).sample
    if isinstance(sample, list) and sample:
        sample = sample[0]
    return sample if isinstance(sample, dict) else {}


def webhook(document: Document, part: WebhookPart) -> Webhook:
    """Return a webhook of the contract: its inputs are those of the action that registers it, and its own."""
    return Webhook(
        name=part.name,
        label=part.label,
        description=part.description,
        fields=tuple(map(_field, webhook_fields(document, part))),
        scheme=part.scheme,
        scheme_config=part.scheme_config,
        events=tuple(part.events.items()),
        other_events=part.other_events,
        makes_secret=bool(part.secret),
        sample=part.sample,
    )


def webhook_fields(document: Document, part: WebhookPart) -> list[Field]:
    """Return the inputs of a webhook. Raises LookupError for one that its action does not have."""
    sent = {field.name: field for field in document.action(part.register.action).fields}
    return [sent[each] if isinstance(each, str) else each for each in part.fields]


def _kind(value: Any) -> FieldKind:
    return next((kind for type_, kind in _KINDS if isinstance(value, type_)), FieldKind.JSON)


def column(part: Column) -> FieldSpec:
    """Return a field without its place in a request."""
    return FieldSpec(**_common(part))


def _common(part: Column) -> dict[str, Any]:
    choices = part.choices
    return {
        "name": part.name,
        "label": part.label,
        "kind": part.kind,
        "required": part.required,
        "default": part.default,
        "help": part.help,
        "choices": tuple(choices.items() if isinstance(choices, dict) else ((each, each) for each in choices)),
        "language": part.language,
        "options": part.options if isinstance(part, ListColumn) else "",
    }


def _setting(setting: Setting) -> FieldSpec:
    when = None
    if setting.when:
        [(name, values)] = setting.when.items()
        when = (name, (values,) if isinstance(values, str) else tuple(values))
    return FieldSpec(**_common(setting), when=when)


def _field(field: Field) -> FieldSpec:
    return FieldSpec(
        **_common(field),
        sensitive=field.sensitive,
        literal=field.literal,
        nested=field.nested,
        shown=field.shown,
        columns=tuple(column(each) for each in field.columns),
    )
