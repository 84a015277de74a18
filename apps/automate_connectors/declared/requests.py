"""The request of an action: where each input goes, what is constant, and who calls."""

from __future__ import annotations

import base64
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from automate_connectors.adapters.base import NEEDS_RECONNECT, ConnectorError
from automate_connectors.context import Files
from automate_connectors.declared.document import (
    ActionPart,
    Arrays,
    AuthKind,
    BodyKind,
    Document,
    EffectKind,
    Field,
    Method,
    Where,
)
from automate_connectors.declared.email_messages import Message
from automate_connectors.declared.placing import nested, pairs, put, split_text
from automate_connectors.declared.templates import base_address, fill, fill_path, names_in
from automate_connectors.files.contents import read_file
from automate_connectors.web import File, as_text, group_query, invalid_input
from automate_egress.forms import Part, multipart, related
from automate_plugins import text
from automate_plugins.fields import FieldKind

VALUE = "{value}"  #: stands for the input in the template of a field
HIDDEN = "hidden"  #: stands for a secret in a path that people see
_FORM = "application/x-www-form-urlencoded"


@dataclass(kw_only=True)
class Request:
    """One request without what says who calls: the parts that a page may change are mutable."""

    method: str
    url: str
    shown: str = ""  #: method and path for people, without secrets
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None  #: a mapping, unless one input is the whole body
    files: list[tuple[str, File]] = field(default_factory=list)
    message: Message = field(default_factory=Message)


def method_of(action: ActionPart) -> Method:
    """Return the method; GET where none is written."""
    return action.method or Method.GET


def effect_of(action: ActionPart) -> EffectKind:
    """Return the effect: where none is written, a GET reads and everything else writes."""
    return action.effect or (EffectKind.READ if method_of(action) is Method.GET else EffectKind.WRITE)


def where_of(action: ActionPart, spec: Field) -> Where:
    """Return the part of the request for a field: where none is written, its path, the query of a GET, or the body."""
    if spec.where is not None:
        return spec.where
    if spec.name in names_in(action.path):
        return Where.PATH
    return Where.QUERY if method_of(action) in {Method.GET, Method.DELETE} else Where.BODY


def takes_key(document: Document, action: ActionPart) -> bool:
    """Whether its requests carry the idempotency key of the step."""
    reads = effect_of(action) is EffectKind.READ
    return bool(document.idempotency) and action.idempotent is not False and not reads


def build_request(
    document: Document,
    action: ActionPart,
    params: Mapping[str, Any],
    settings: Mapping[str, Any],
    store: Files | None = None,
) -> Request:
    """Return the request for these inputs. Raises ConnectorError for inputs that make none.

    Without `store`, as in a dry run, files have their sizes in place of their content.
    """
    given = {name: value for name, value in params.items() if value is not None}
    base = base_address(action.base_url or document.base_url, settings)
    constants, values = action.constants, {**settings, **given}
    hidden = {spec.name: HIDDEN for spec in document.connection if spec.kind is FieldKind.SECRET}
    made = Request(
        method=method_of(action).value,
        url=base + fill_path(action.path, values),
        shown=f"{method_of(action).value} {fill_path(action.path, {**values, **hidden}) or '/'}",
        query=[*document.query.items(), *constants.query.items()],
        headers={
            name: filled
            for name, value in {**document.headers, **constants.headers}.items()
            if (filled := fill(value, settings))
        },
        body=copy.deepcopy(constants.body) if constants.body else None,
    )
    made.query = [(name, fill(value, settings)) for name, value in made.query]
    for spec in action.fields:
        if spec.name in given:
            _place(made, action, spec, given[spec.name], store)
    if action.message_at:
        made.body = made.body if isinstance(made.body, dict) else {}
        put(made.body, action.message_at, made.message.encoded())
    has_body = any(where_of(action, spec) is Where.BODY for spec in action.fields)
    if made.body is None and has_body and made.method not in {Method.GET, Method.DELETE}:
        made.body = {}
    return made


def _place(made: Request, action: ActionPart, spec: Field, value: Any, store: Files | None) -> None:
    name = spec.name if spec.at is None else spec.at
    if spec.chunks and isinstance(value, str):
        value = split_text(value, spec.chunks)
    if spec.each and isinstance(value, list):
        value = [nested(spec.each, item) for item in value]
    if spec.template:
        value = spec.template.replace(VALUE, as_text(value))
    match where_of(action, spec):
        case Where.QUERY:
            made.query += pairs(name, value, spec.arrays or action.arrays or Arrays.REPEAT)
        case Where.HEADER:
            made.headers[name] = _header(spec.name, as_text(value))
        case Where.MESSAGE:
            made.message.add(name, value, store)
        case Where.FILE:
            listed = value if isinstance(value, list) else [value]
            made.files += [
                (name.replace("{index}", str(index)), read_file(each, f"{spec.name}[{index}]", store))
                for index, each in enumerate(listed)
            ]
        case Where.BODY if not name and not isinstance(value, dict) and not made.body:
            made.body = copy.deepcopy(value)
        case Where.BODY:
            made.body = made.body if isinstance(made.body, dict) else {}
            put(made.body, name, copy.deepcopy(value))


def _header(name: str, value: str) -> str:
    if not value.isprintable():
        raise invalid_input(text("%(name)s must not contain line breaks.", name=name))
    return value


def body_options(action: ActionPart, made: Request, seed: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (the session's options, the headers) that carry the body. Raises ConnectorError."""
    match action.body:
        case BodyKind.FILE:
            if len(made.files) != 1:
                raise invalid_input(text("The request needs exactly one file."))
            file = made.files[0][1]
            return {"data": file.content}, {"Content-Type": file.content_type}
        case BodyKind.MULTIPART:
            body, kind = multipart(_parts(action, made), seed=seed)
            return {"data": body}, {"Content-Type": kind}
        case BodyKind.RELATED:
            if len(made.files) != 1:
                raise invalid_input(text("The request needs exactly one file."))
            file, described = made.files[0][1], msgspec.json.encode(made.body or {})
            parts = [("application/json; charset=UTF-8", described), (file.content_type, file.content)]
            body, kind = related(parts, seed=seed)
            return {"data": body}, {"Content-Type": kind}
        case _ if made.body is None:
            return {}, {}
        case BodyKind.FORM:
            written = list(pairs("", made.body, action.arrays or Arrays.INDEX))
            return {"data": urlencode(written)}, {"Content-Type": _FORM}
        case BodyKind.MERGE_PATCH:
            return {"data": msgspec.json.encode(made.body)}, {"Content-Type": "application/merge-patch+json"}
    return {"json": made.body}, {}


def _parts(action: ActionPart, made: Request) -> list[Part]:
    found: list[Part] = []
    if made.body is not None and action.json_part:
        content = msgspec.json.encode(made.body)
        found.append(Part(name=action.json_part, content=content, content_type="application/json"))
    elif made.body is not None:
        written = pairs("", made.body, action.arrays or Arrays.REPEAT)
        found += [Part(name=name, content=value.encode()) for name, value in written]
    return found + [
        Part(name=name, content=file.content, filename=file.filename, content_type=file.content_type)
        for name, file in made.files
    ]


def credentials(document: Document, settings: Mapping[str, Any]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the headers and the query parameters that say who calls. Raises ConnectorError without a credential."""
    auth = document.auth
    if auth.type is AuthKind.NONE:
        return {}, []
    if auth.bearer and "oauth" in settings:
        return {"Authorization": f"Bearer {_header('token', settings['access_token'])}"}, []
    templates = [auth.username, auth.password] if auth.type is AuthKind.BASIC else [auth.token]
    missing = [name for template in templates for name in names_in(template) if not settings.get(name)]
    if missing:
        if auth.type is AuthKind.OAUTH:
            raise ConnectorError(text("The connection is not signed in. Reconnect it."), code=NEEDS_RECONNECT)
        raise invalid_input(
            text("Select a %(name)s connection that has %(field)s.", name=document.name, field=missing[0])
        )
    filled = [_header("token", fill(template, settings)) for template in templates]
    match auth.type:
        case AuthKind.BASIC:
            return {"Authorization": f"Basic {base64.b64encode(':'.join(filled).encode()).decode()}"}, []
        case AuthKind.HEADER:
            return {auth.name: filled[0]}, []
        case AuthKind.QUERY:
            return {}, [(auth.name, filled[0])]
    return {"Authorization": f"Bearer {filled[0]}"}, []


def describe_request(action: ActionPart, made: Request) -> dict[str, Any]:
    """Return the request in words: files by their names and sizes."""
    where = urlsplit(made.url)
    described: dict[str, Any] = {
        "method": made.method,
        "host": where.hostname or "",
        "path": where.path or "/",
        "query": group_query(made.query),
    }
    if made.body is not None:
        described["body"] = made.body
    if action.message_at:
        described["body"] = copy.deepcopy(made.body)
        put(described["body"], action.message_at, made.message.described())
    if made.files:
        described["files"] = [
            {"filename": file.filename, "content_type": file.content_type, "size": len(file.content)}
            for _, file in made.files
        ]
    return described
