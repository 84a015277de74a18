"""Rules of a document beyond its types: names that exist, places that fit, credentials that are secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from automate_connectors.declared import specs
from automate_connectors.declared.document import (
    ActionPart,
    AuthKind,
    BodyKind,
    Clock,
    Column,
    Document,
    EffectKind,
    Field,
    Method,
    Order,
    Pages,
    PagesKind,
    PollPart,
    Setting,
    WebhookCall,
    WebhookPart,
    Where,
)
from automate_connectors.declared.parsing import Fault, shown_place
from automate_connectors.declared.placing import MAX_INDEX
from automate_connectors.declared.polls import SINCE
from automate_connectors.declared.requests import VALUE, effect_of, method_of, where_of
from automate_connectors.declared.templates import base_faults, names_in
from automate_connectors.declared.webhooks import NAMES as WEBHOOK_NAMES
from automate_connectors.declared.yaml_files import Place
from automate_connectors.oauth.catalogue import providers
from automate_connectors.paging import MAX_ITEMS
from automate_plugins import text
from automate_plugins.checks import NAME
from automate_plugins.fields import FieldKind
from automate_plugins.texts import joined, marked

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_WITH_FILES = frozenset({BodyKind.FILE, BodyKind.MULTIPART, BodyKind.RELATED})
_NOT_BEARER = frozenset({AuthKind.BASIC, AuthKind.HEADER, AuthKind.QUERY})
_INDEX = re.compile(r"(?:^|\.)(\d+)(?=\.|$)")


def faults(document: Document) -> Iterator[Fault]:
    """Yield what is wrong, the place in each reason."""
    for place, reason in _faults(document):
        yield Fault(place, joined([shown_place(place), marked(reason)], ": "))


type Found = tuple[Place, str]


def _faults(document: Document) -> Iterator[Found]:
    if not NAME.fullmatch(document.code):
        yield ("code",), text("Use lowercase letters, digits, _ and -, starting with a letter.")
    if not 0 <= document.hue <= 360:
        yield ("hue",), text("The hue is a number from 0 to 360.")
    yield from ((("base_url",), reason) for reason in base_faults(document.base_url))
    yield from _settings(document)
    yield from _auth(document)
    yield from _headers(document.headers, ("headers",))
    if document.idempotency and document.idempotency_in == "header" and not _HEADER.fullmatch(document.idempotency):
        yield ("idempotency",), text("%(value)s is not a header name.", value=repr(document.idempotency))
    if not any(not action.hidden for action in document.actions):
        yield ("actions",), text("A connector has at least one action.")
    yield from _twice([action.name for action in document.actions], ("actions",))
    for index, action in enumerate(document.actions):
        for place, reason in _action(document, action):
            yield ("actions", index, *place), reason
    yield from _check(document)
    for name, rule in document.options.items():
        yield from _reader(document, rule.action, ("options", name))
    yield from _twice([poll.name for poll in document.polls], ("polls",))
    for index, poll in enumerate(document.polls):
        for place, reason in _poll(document, poll):
            yield ("polls", index, *place), reason
    yield from _twice([webhook.name for webhook in document.webhooks], ("webhooks",))
    for index, webhook in enumerate(document.webhooks):
        for place, reason in _webhook(document, webhook):
            yield ("webhooks", index, *place), reason


def _is_address(setting: Setting) -> bool:
    """Whether each value is a URL: it is entered as one, or chosen among some, such as those of regions."""
    is_chosen = setting.kind is FieldKind.CHOICE and all(each.startswith("https://") for each in setting.choices)
    return setting.kind is FieldKind.URL or is_chosen


def _settings(document: Document) -> Iterator[Found]:
    names = [setting.name for setting in document.connection]
    yield from _columns(document.connection, ("connection",), secrets=True)
    settings = {setting.name: setting for setting in document.connection}
    for index, setting in enumerate(document.connection):
        if setting.when is not None and (len(setting.when) != 1 or next(iter(setting.when)) not in names[:index]):
            yield ("connection", index, "when"), text("Name a setting that comes before this one.")
    for number, url in enumerate(specs.base_urls(document)):
        for name in names_in(url):
            if name not in settings:
                yield ("base_url",), text("There is no setting %(name)s.", name=repr(name))
            elif settings[name].kind is FieldKind.SECRET:
                yield ("base_url",), text("The secret %(name)s cannot be a part of the base URL.", name=name)
            elif url.startswith(f"{{{name}}}") and not _is_address(settings[name]):
                yield ("base_url",), text("%(name)s must be of the kind url.", name=name)
        if number:
            yield from ((("actions",), reason) for reason in base_faults(url))


def _auth(document: Document) -> Iterator[Found]:
    auth = document.auth
    known = {spec.name: spec for spec in specs.config_fields(document)}
    if auth.type in {AuthKind.HEADER, AuthKind.QUERY} and not auth.name:
        yield ("auth",), text("Name the header or the query parameter in name.")
    if auth.type is AuthKind.HEADER and auth.name and not _HEADER.fullmatch(auth.name):
        yield ("auth", "name"), text("%(value)s is not a header name.", value=repr(auth.name))
    if auth.provider and auth.provider not in providers():
        yield ("auth", "provider"), text("There is no OAuth provider %(name)s.", name=repr(auth.provider))
    if auth.bearer and (auth.type not in _NOT_BEARER or not auth.provider):
        yield ("auth", "bearer"), text("bearer is for the types basic, header and query, with a provider.")
    if auth.type is AuthKind.OAUTH and not auth.provider:
        yield ("auth",), text("Name the OAuth provider in provider.")
    if auth.type is AuthKind.NONE:
        return
    parts = ("username", "password") if auth.type is AuthKind.BASIC else ("token",)
    templates = {part: getattr(auth, part) for part in parts}
    for part, template in templates.items():
        for name in names_in(template):
            if name not in known:
                yield ("auth",), text("%(part)s names no setting: %(name)s.", part=part, name=name)
    used = {name for template in templates.values() for name in names_in(template)}
    if not any(known[name].kind is FieldKind.SECRET for name in used & known.keys()):
        yield ("auth",), text("One of the settings must be of the kind secret.")


def _headers(headers: dict[str, str], place: Place) -> Iterator[Found]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            yield (*place, name), text("%(value)s is not a header name.", value=repr(name))
        if not value.isprintable():
            yield (*place, name), text("A header is one line.")


def _action(document: Document, action: ActionPart) -> Iterator[Found]:
    if not NAME.fullmatch(action.name):
        yield ("name",), text("Use lowercase letters, digits, _ and -, starting with a letter.")
    if not action.label and not action.hidden:
        yield (), text("The name %(name)s is missing.", name="label")
    if not action.path.startswith("/") and action.path:
        yield ("path",), text("A path begins with /.")
    if "?" in action.path or "#" in action.path:
        yield ("path",), text("A path has no ? and no #. Write the query into constants.query.")
    if action.key_at and (action.body is BodyKind.FILE or method_of(action) in {Method.GET, Method.DELETE}):
        yield ("key_at",), text("Only a request with inputs in its body can have key_at.")
    yield from _columns(action.fields, ("fields",), secrets=False)
    yield from _headers(action.constants.headers, ("constants", "headers"))
    yield from _places(document, action)
    fields = {field.name for field in action.fields}
    for name in action.needs_one_of:
        if name not in fields:
            yield ("needs_one_of",), text("There is no field %(name)s.", name=repr(name))
    if action.pages is not None:
        yield from (((("pages",), reason)) for reason in _pages(action, action.pages))
        if specs.LIMIT in fields:
            yield ("fields",), text("pages already adds the field %(name)s. Remove the field.", name=specs.LIMIT)


def _places(document: Document, action: ActionPart) -> Iterator[Found]:
    settings = {setting.name for setting in document.connection}
    in_path = set(names_in(action.path))
    by_name = {field.name: field for field in action.fields}
    for name in in_path:
        if name not in by_name and name not in settings:
            yield ("path",), text("There is neither a field nor a setting %(name)s.", name=repr(name))
        elif name in by_name and not by_name[name].required and by_name[name].default is None:
            yield ("path",), text("The field %(name)s is part of the path, so it must be required.", name=name)
    for index, field in enumerate(action.fields):
        place, where = ("fields", index), where_of(action, field)
        if where is Where.PATH and field.name not in in_path:
            yield (*place, "in"), text("The path has no {%(name)s}.", name=field.name)
        if where is Where.HEADER and not _HEADER.fullmatch(field.at or field.name):
            yield (*place, "at"), text("%(value)s is not a header name.", value=repr(field.at or field.name))
        if where is Where.FILE and action.body not in _WITH_FILES:
            yield (*place, "in"), text("A file needs a body that is multipart, related or file.")
        if where is Where.MESSAGE and not action.message_at:
            yield (*place, "in"), text("The name %(name)s is missing.", name="message_at")
        if where is Where.FILE and field.kind not in {FieldKind.FILE, FieldKind.LIST}:
            yield (*place, "kind"), text("Use the kind file for one file, and list for several files.")
        if field.template and (VALUE not in field.template or where in {Where.PATH, Where.FILE}):
            yield (*place, "template"), text("A template must contain {value}. Paths and files cannot have a template.")
        if field.chunks and (field.kind not in {FieldKind.TEXT, FieldKind.LONG_TEXT} or where is not Where.BODY):
            yield (*place, "chunks"), text("Only a text in the body can have chunks.")
        if field.each and not (where is Where.BODY and (field.kind is FieldKind.LIST or field.chunks)):
            yield (*place, "each"), text("Only a list in the body, or a text with chunks, can have each.")
        for name in filter(None, (field.options, *(each.options for each in field.columns))):
            if name not in document.options:
                yield (*place, "options"), text("There is no %(name)s in options.", name=repr(name))
        if any(int(number) > MAX_INDEX for number in _INDEX.findall(field.at or "")):
            yield (*place, "at"), text("A position in a list is at most %(maximum)s.", maximum=MAX_INDEX)


def _pages(action: ActionPart, pages: Pages) -> Iterator[str]:
    if pages.kind is PagesKind.CURSOR and bool(pages.cursor) == bool(pages.last_item):
        yield text("Set either cursor or last_item.")
    if pages.kind is not PagesKind.LINK and not pages.parameter:
        yield text("The name %(name)s is missing.", name="parameter")
    if pages.where == "body" and action.method is not Method.POST:
        yield text("Only a POST has its page in the body.")
    if action.answer != "json" or effect_of(action) is not EffectKind.READ:
        yield text("Only an action that reads JSON has pages: write effect: read.")
    if not 1 <= pages.limit <= MAX_ITEMS or (pages.size is not None and pages.size.most < 1):
        yield text("%(name)s must be between 1 and %(maximum)s.", name="limit", maximum=MAX_ITEMS)


def _check(document: Document) -> Iterator[Found]:
    if document.check is not None:
        yield from _reader(document, document.check.action, ("check",))


def _poll(document: Document, poll: PollPart) -> Iterator[Found]:
    if not NAME.fullmatch(poll.name):
        yield ("name",), text("Use lowercase letters, digits, _ and -, starting with a letter.")
    if not poll.label:
        yield (), text("The name %(name)s is missing.", name="label")
    missing = list(_reader(document, poll.action, ()))
    if poll.details is not None:
        missing += _reader(document, poll.details.action, ("details",))
    yield from missing
    if not missing:
        yield from _poll_inputs(document, poll)
        yield from _poll_reading(document, poll)


def _poll_inputs(document: Document, poll: PollPart) -> Iterator[Found]:
    """Yield what is wrong with the inputs of the actions, and with those that a person fills in."""
    action = document.action(poll.action)
    sent = {field.name: field for field in action.fields}
    own = [each for each in poll.fields if isinstance(each, Field)]
    known = [each if isinstance(each, str) else each.name for each in poll.fields]
    given = {*poll.params, *known}
    for index, each in enumerate(poll.fields):
        if isinstance(each, str) and each not in sent:
            yield ("fields", index), text("There is no field %(name)s.", name=repr(each))
        if isinstance(each, Field) and each.options and each.options not in document.options:
            yield ("fields", index, "options"), text("There is no %(name)s in options.", name=repr(each.options))
    yield from _columns(own, ("fields",), secrets=False)
    yield from _twice(known, ("fields",))
    for name in poll.params.keys() - sent.keys():
        yield ("params", name), text("There is no field %(name)s.", name=repr(name))
    if poll.since is not None:
        given.add(poll.since.input)
        if poll.since.input not in sent:
            yield ("since", "input"), text("There is no field %(name)s.", name=repr(poll.since.input))
        if f"{{{SINCE}}}" not in poll.since.template:
            yield ("since", "template"), text("The template has no {%(name)s}.", name=SINCE)
    for name, field in sent.items():
        if field.required and field.default is None and name not in given:
            yield ("action",), text("The action needs %(name)s: write it into fields or params.", name=name)
    if poll.details is not None:
        inputs = {field.name for field in document.action(poll.details.action).fields}
        for name in poll.details.params.keys() - inputs:
            yield ("details", "params", name), text("There is no field %(name)s.", name=repr(name))
    used = [("id", name) for name in names_in("".join(poll.id))]
    used += [(place, name) for place in ("time", "version") for name in names_in(getattr(poll, place))]
    used += [("since", name) for name in names_in(poll.since.template if poll.since else "") if name != SINCE]
    for place, name in used:
        if name not in known:
            yield (place,), text("There is no field %(name)s.", name=repr(name))


def _poll_reading(document: Document, poll: PollPart) -> Iterator[Found]:
    """Yield what is wrong with how the list is read."""
    action = document.action(poll.action)
    if action.answer != "json":
        yield ("action",), text("The action does not return JSON.")
    if action.pages is not None and poll.items:
        yield ("items",), text("An action with pages already defines its list. Remove items.")
    if action.pages is None and not poll.items and not isinstance(action.sample, list):
        yield (), text("The name %(name)s is missing.", name="items")
    if not specs.poll_sample(document, poll):
        yield (), text("The name %(name)s is missing.", name="sample")
    if poll.since is not None and not poll.time:
        yield ("since",), text("The name %(name)s is missing.", name="time")
    if poll.time and poll.order is Order.OLDEST and poll.since is None:
        yield ("order",), text("A list with the oldest item first needs since. Add since, or remove time.")
    by_clock = poll.since is not None and poll.since.first is not None
    if by_clock and poll.time_in is Clock.NUMBER:
        yield (
            ("since", "first"),
            text("since.first works with times, not with numbers. Remove it, or use another time_in."),
        )
    if poll.since is not None and poll.since.resets is not None and poll.time_in is not Clock.NUMBER:
        yield ("since", "resets"), text("since.resets works with numbers, not with times. Remove it.")
    if poll.since is not None and poll.since.first is not None and poll.since.first < poll.overlap:
        yield ("since", "first"), text("first must be at least as long as overlap.")
    if poll.details is not None and poll.time and not by_clock:
        yield ("details",), text("The list has no times, so since needs first.")
    if poll.since is not None and poll.since.template != f"{{{SINCE}}}" and not by_clock:
        yield ("since",), text("The name %(name)s is missing.", name="first")


def _webhook(document: Document, webhook: WebhookPart) -> Iterator[Found]:
    if not NAME.fullmatch(webhook.name):
        yield ("name",), text("Use lowercase letters, digits, _ and -, starting with a letter.")
    if not webhook.label:
        yield (), text("The name %(name)s is missing.", name="label")
    if not webhook.sample:
        yield (), text("The name %(name)s is missing.", name="sample")
    calls = {"register": webhook.register, "list": webhook.listing, "remove": webhook.remove}
    actions = {action.name: action for action in document.actions}
    for place, call in calls.items():
        if call.action not in actions:
            yield (place, "action"), text("There is no action %(name)s.", name=repr(call.action))
    if any(call.action not in actions for call in calls.values()):
        return
    yield from _reader(document, webhook.listing.action, ("list",))
    sent = {field.name for field in actions[webhook.register.action].fields}
    known = [each if isinstance(each, str) else each.name for each in webhook.fields]
    for index, each in enumerate(webhook.fields):
        if isinstance(each, str) and each not in sent:
            yield ("fields", index), text("There is no field %(name)s.", name=repr(each))
        if isinstance(each, Field) and each.options and each.options not in document.options:
            yield ("fields", index, "options"), text("There is no %(name)s in options.", name=repr(each.options))
    yield from _columns([each for each in webhook.fields if isinstance(each, Field)], ("fields",), secrets=False)
    yield from _twice(known, ("fields",))
    for name in {*known} & WEBHOOK_NAMES:
        yield ("fields",), text("%(name)s is a name of the platform. Choose another one.", name=repr(name))
    for place, call in calls.items():
        yield from _webhook_call(actions[call.action], call, known, place)


def _webhook_call(action: ActionPart, call: WebhookCall, known: list[str], place: str) -> Iterator[Found]:
    """Yield what is wrong with the inputs of one call about a registration."""
    fields = {field.name: field for field in action.fields}
    filled = WEBHOOK_NAMES - ({"secret", "events"} if place != "register" else {"id"})
    for name, value in call.params.items():
        if name not in fields:
            yield (place, "params", name), text("There is no field %(name)s.", name=repr(name))
        used_names = names_in(value) if isinstance(value, str) else []
        for used in used_names:
            if used not in {*known, *filled}:
                yield (place, "params", name), text("There is no field %(name)s.", name=repr(used))
        if "secret" in used_names and name in fields and where_of(action, fields[name]) in {Where.PATH, Where.QUERY}:
            reason = text("A secret must not be part of a URL. Send it in the body or a header.")
            yield (place, "params", name), reason
    given = {*call.params, *(name for name in known if name in fields)}
    for name, field in fields.items():
        if field.required and field.default is None and name not in given:
            yield (place, "action"), text("The action needs %(name)s: write it into fields or params.", name=name)


def _reader(document: Document, name: str, place: Place) -> Iterator[Found]:
    """Yield why an action cannot be called to see something."""
    try:
        action = document.action(name)
    except LookupError:
        yield (*place, "action"), text("There is no action %(name)s.", name=repr(name))
        return
    if effect_of(action) is not EffectKind.READ or action.method in {Method.PUT, Method.PATCH, Method.DELETE}:
        yield (*place, "action"), text("The action %(name)s changes data. Use an action that only reads.", name=name)


def _columns(columns: Sequence[Column], place: Place, *, secrets: bool) -> Iterator[Found]:
    yield from _twice([column.name for column in columns], place)
    for index, column in enumerate(columns):
        where = (*place, index)
        if not column.name.isidentifier():
            yield (*where, "name"), text("%(value)s is not a name.", value=repr(column.name))
        if column.kind is FieldKind.SECRET and not secrets:
            yield (*where, "kind"), text("A secret is a setting of the connection. Write sensitive: true.")
        if column.kind is FieldKind.CHOICE and not column.choices:
            yield (*where, "choices"), text("A field of the kind choice needs choices.")
        spec = specs.column(column)
        if column.default is not None and (problem := spec.problem(column.default)):
            yield (*where, "default"), problem


def _twice(names: list[str], place: Place) -> Iterator[Found]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (*place, index, "name"), text("The name %(name)s occurs twice.", name=repr(name))
