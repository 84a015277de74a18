"""HTTP connector: requests to any API, with the connection's credentials and a stable Idempotency-Key header."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_connectors.context import Files
from automate_connectors.files.contents import Download, read_file
from automate_connectors.paging import MAX_ITEMS, MAX_PAGES, Paging, read_pages, read_paging
from automate_connectors.web import (
    ANSWERED_BY,
    File,
    as_text,
    decode_base64,
    group_query,
    http_error,
    invalid_input,
    read_json,
)
from automate_egress import HttpResponse
from automate_egress.forms import Part, multipart
from automate_egress.policy import ascii_host
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.files import is_file
from automate_plugins.texts import joined

_METHODS = tuple((method, method) for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_AUTH = (
    ("none", text("None")),
    ("bearer", text("Bearer token")),
    ("basic", text("Username and password")),
    ("header", text("Header")),
    ("query", text("Query parameter")),
    ("oauth2", "OAuth2"),
)
_ANSWERS = (
    ("auto", text("Automatic (by content type)")),
    ("json", "JSON"),
    ("text", text("Text")),
    ("file", text("File")),
    ("binary", text("File as base64")),
    ("none", text("Ignore")),
)
_PAGINATION = (
    ("none", text("None")),
    ("link", text("Link header")),
    ("cursor", text("Cursor")),
    ("page", text("Page number")),
)
#: The fields of each kind of body.
_BODIES = {
    "none": (),
    "json": ("json",),
    "form": ("form", "files"),
    "text": ("body",),
    "file": ("file",),
    "binary": ("binary",),
}
_BODY_TYPES = (
    ("none", text("None")),
    ("json", "JSON"),
    ("form", text("Form")),
    ("text", text("Text")),
    ("file", text("File")),
    ("binary", text("Binary, as base64")),
)
_WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")
_STATUS = re.compile(r"[1-5](\d\d|xx)")
_TEXTUAL = re.compile(r"text/|application/(.*\+)?(json|xml|javascript|yaml|x-www-form-urlencoded|graphql)")
_FORM = "application/x-www-form-urlencoded"

_REQUEST = (
    FieldSpec(name="method", label=text("Method"), kind=FieldKind.CHOICE, choices=_METHODS, default="GET", shown=True),
    FieldSpec(
        name="url", label=text("URL"), required=True, help=text("Full URL, or a path below the connection's base URL")
    ),
    FieldSpec(
        name="body_type",
        label=text("Body"),
        kind=FieldKind.CHOICE,
        choices=_BODY_TYPES,
        when=("method", _WITH_BODY),
    ),
    FieldSpec(name="json", label=text("JSON body"), kind=FieldKind.JSON, when=("body_type", ("json",))),
    FieldSpec(
        name="form",
        label=text("Form fields"),
        kind=FieldKind.MAPPING,
        help=text("Sent as a form; with files, as multipart"),
        when=("body_type", ("form",)),
    ),
    FieldSpec(
        name="files",
        label=text("Files"),
        kind=FieldKind.LIST,
        help=text("Each item: a file of an earlier step, or name and file"),
        when=("body_type", ("form",)),
    ),
    FieldSpec(name="body", label=text("Text body"), kind=FieldKind.LONG_TEXT, when=("body_type", ("text",))),
    FieldSpec(
        name="file",
        label=text("File body"),
        kind=FieldKind.FILE,
        help=text("Sends the file as the whole body"),
        when=("body_type", ("file",)),
    ),
    FieldSpec(
        name="binary",
        label=text("Binary body"),
        kind=FieldKind.LONG_TEXT,
        help=text("Base64-encoded"),
        when=("body_type", ("binary",)),
    ),
    FieldSpec(name="query", label=text("Query parameters"), kind=FieldKind.MAPPING),
    FieldSpec(name="headers", label=text("Headers"), kind=FieldKind.MAPPING),
    FieldSpec(name="answer", label=text("Response format"), kind=FieldKind.CHOICE, choices=_ANSWERS, default="auto"),
    FieldSpec(
        name="success_statuses",
        label=text("Success statuses"),
        kind=FieldKind.LIST,
        help=text("For example 2xx, 404. Default: below 400"),
    ),
    FieldSpec(
        name="retry_statuses",
        label=text("Retry statuses"),
        kind=FieldKind.LIST,
        help=text("Default: 408, 425, 429, 500, 502, 503, 504"),
    ),
    FieldSpec(name="follow_redirects", label=text("Follow redirects"), kind=FieldKind.BOOLEAN, default=True),
    FieldSpec(
        name="idempotency_header",
        label=text("Idempotency header"),
        default="Idempotency-Key",
        help=text("Sends the same key with every attempt of this step. Leave empty to send none."),
    ),
)
_PAGES = (
    FieldSpec(name="pagination", label=text("Pagination"), kind=FieldKind.CHOICE, choices=_PAGINATION, default="none"),
    FieldSpec(
        name="items",
        label=text("Path to the items"),
        help=text("For example data.items. Leave empty if the response is the list."),
    ),
    FieldSpec(
        name="cursor",
        label=text("Path to the next cursor"),
        help=text("For example meta.next_cursor. A URL is followed."),
    ),
    FieldSpec(name="cursor_parameter", label=text("Cursor parameter"), default="cursor"),
    FieldSpec(name="page_parameter", label=text("Page parameter"), default="page"),
    FieldSpec(name="first_page", label=text("First page"), kind=FieldKind.INTEGER, default=1),
    FieldSpec(
        name="max_pages",
        label=text("Maximum pages"),
        kind=FieldKind.INTEGER,
        default=10,
        help=text("Up to %(count)s", count=MAX_PAGES),
    ),
    FieldSpec(
        name="max_items",
        label=text("Maximum items"),
        kind=FieldKind.INTEGER,
        default=1_000,
        help=text("Up to %(count)s", count=MAX_ITEMS),
    ),
)


class HttpConnector(ConnectorAdapter):
    """`request` sends one request, or one a page. A status of 400 or more is an error; 429 and 5xx may be retried."""

    code = "http"
    name = "HTTP"
    description = text("Call an API")
    icon = "public"
    hue = 245
    config_fields = (
        FieldSpec(
            name="base_url", label=text("Base URL"), kind=FieldKind.URL, help=text("Step URLs are appended to it")
        ),
        FieldSpec(name="auth", label=text("Authentication"), kind=FieldKind.CHOICE, choices=_AUTH, default="none"),
        FieldSpec(
            name="token",
            label=text("Token"),
            kind=FieldKind.SECRET,
            help=text("For bearer token, header and query parameter"),
            required=True,
            when=("auth", ("bearer", "header", "query")),
        ),
        FieldSpec(
            name="header_name",
            label=text("Header name"),
            help=text("Header that carries the token"),
            required=True,
            when=("auth", ("header",)),
        ),
        FieldSpec(
            name="query_name",
            label=text("Query parameter"),
            help=text("Parameter that carries the token"),
            required=True,
            when=("auth", ("query",)),
        ),
        FieldSpec(name="username", label=text("Username"), required=True, when=("auth", ("basic",))),
        FieldSpec(
            name="password", label=text("Password"), kind=FieldKind.SECRET, required=True, when=("auth", ("basic",))
        ),
        FieldSpec(name="headers", label=text("Headers"), kind=FieldKind.MAPPING, help=text("Sent with every request")),
        FieldSpec(
            name="test_path",
            label=text("Test path"),
            help=text("Must require authentication and change nothing. The test sends a GET."),
        ),
    )
    actions = (
        Action(
            name="request",
            label=text("Send request"),
            description=text("Call a URL and return the response"),
            effect=Effect.EFFECTFUL,
            fields=(*_REQUEST, *_PAGES),
            outputs=(
                FieldSpec(name="status", kind=FieldKind.INTEGER),
                FieldSpec(name="headers", kind=FieldKind.MAPPING),
                FieldSpec(name="body", kind=FieldKind.JSON),
            ),
        ),
    )

    def validate_config(self, config: dict[str, Any]) -> None:
        """Check that the chosen kind of authentication has what it needs. Raises ValueError."""
        asked = (spec for spec in self.config_fields if spec.required and spec.is_asked(config))
        if missing := [spec.name for spec in asked if not config.get(spec.name)]:
            raise ValueError(
                text(
                    "%(auth)s authentication requires: %(fields)s.",
                    auth=config.get("auth"),
                    fields=", ".join(missing),
                )
            )

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Send the request and return `status`, `headers` and `body`; of pages also `pages` and `complete`."""
        call = _Call(params, context)
        pages = read_paging(params)
        if pages is not None:
            return _all_pages(call, pages, params, context)
        if params.get("answer") == "file":
            with Download(context["files"]) as download:
                response = call.send(call.url, call.query, into=download.spool, max_bytes=download.max_bytes)
                file = download.store(response)
            return {"status": response.status, "headers": _plain(response.headers), "body": file}
        response = call.send(call.url, call.query)
        return {"status": response.status, "headers": _plain(response.headers), "body": _answer(response, params)}

    def reads_only(self, action: str, params: dict[str, Any]) -> bool:
        """Whether the method is one that changes nothing."""
        return params.get("method", "GET") in _SAFE

    def describe(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
        """The request: method, host, path, query, the step's own headers and the body; of pages, the first."""
        call = _Call(params, {**context, "connection": {**(context.get("connection") or {}), "auth": "none"}})
        return call.describe()

    def check_connection(self, context: dict[str, Any]) -> str:
        """GET the base URL, or the path for the test."""
        connection = context["connection"]
        if not connection.get("base_url"):
            raise ConnectorError(text("Set a base URL to test this connection."), code="invalid_input")
        call = _Call({"url": connection.get("test_path") or ""}, context)
        try:
            response = call.send(call.url, {})
        except ConnectorError as error:
            status = error.details.get("status")
            if status is None:
                raise
            if status in {401, 403} and ANSWERED_BY not in error.details:
                raise ConnectorError(
                    joined([error.message, text("Replace the credentials in the connection.")]),
                    code="authentication_failed",
                ) from error
            host = error.details.get(ANSWERED_BY, urlsplit(call.url).hostname)
            return text(
                "%(host)s responded with HTTP %(status)s. The credentials were not rejected.", host=host, status=status
            )
        return text(
            "%(host)s responded with HTTP %(status)s.", host=urlsplit(call.url).hostname, status=response.status
        )


class _Call:
    """One request, made ready: everything but the page."""

    def __init__(self, params: Mapping[str, Any], context: dict[str, Any]) -> None:
        connection = context.get("connection") or {}
        self.method = params.get("method", "GET")
        self.url = _address(connection.get("base_url") or "", params["url"])
        self.query = _texts(params.get("query"))
        self._context = context
        self._options = {"follow_redirects": params.get("follow_redirects", True)}
        self._success = _statuses(params.get("success_statuses"), "success_statuses")
        self._retry = _statuses(params.get("retry_statuses"), "retry_statuses")
        self._headers = _texts(connection.get("headers")) | _texts(params.get("headers"))
        key = params.get("idempotency_header", "Idempotency-Key")
        if key and self.method not in _SAFE:
            self._given(key, context["idempotency_key"])
        self._add_body(params)
        headers, self._secret_query = _credentials(connection)
        self._headers = {name: value for name, value in self._headers.items() if name.lower() not in _lower(headers)}
        self._headers |= headers

    def send(self, url: str, query: Mapping[str, Any], **more: Any) -> HttpResponse:
        """The answer, when its status is one that succeeds; `more` are options of `Http.request`.

        Raises ConnectorError, EgressError.
        """
        shown = url.partition("?")[0]
        self._context["log"](f"{self.method} {shown}")
        inside = {name for name, _ in parse_qsl(urlsplit(url).query)}
        secret = {name: value for name, value in self._secret_query.items() if name not in inside}
        response: HttpResponse = self._context["http"].request(
            self.method, url, headers=dict(self._headers), params={**query, **secret} or None, **self._options, **more
        )
        if not self._succeeds(response.status):
            error = http_error(
                text("HTTP %(status)s from %(method)s %(url)s.", status=response.status, method=self.method, url=shown),
                response,
                retryable=_matches(self._retry, response.status) if self._retry else None,
            )
            if _host(response.url) != _host(url):
                error.details[ANSWERED_BY] = _host(response.url)
            raise error
        return response

    def describe(self) -> dict[str, Any]:
        """The request in words, without what says who calls."""
        where = urlsplit(self.url)
        described: dict[str, Any] = {
            "summary": f"{self.method} {where.scheme}://{where.netloc.rpartition('@')[2]}{where.path}",
            "method": self.method,
            "host": where.hostname or "",
            "path": where.path or "/",
            "query": {**group_query(parse_qsl(where.query)), **self.query},
            "headers": dict(self._headers),
        }
        if "json" in self._options:
            described["body"] = self._options["json"]
        elif "data" in self._options:
            described["body"] = _body_text(self._options["data"])
        return described

    def _succeeds(self, status: int) -> bool:
        return _matches(self._success, status) if self._success else status < 400

    def _given(self, name: str, value: str) -> None:
        """Set a header unless the step sets it itself."""
        if name.lower() not in _lower(self._headers):
            self._headers[name] = value

    def _add_body(self, params: Mapping[str, Any]) -> None:
        kinds = [params["body_type"]] if params.get("body_type") else _BODIES  # without a choice, what is given
        given = [name for kind in kinds for name in _BODIES[kind] if params.get(name) not in (None, "", [])]
        if len(given) > 1 and set(given) != {"form", "files"}:
            raise invalid_input(text("A request has only one body. Keep one of: %(fields)s.", fields=", ".join(given)))
        if not given:
            return
        match given[-1]:
            case "json":
                self._options["json"] = params["json"]
            case "form":
                self._data(urlencode(_texts(params["form"]), doseq=True).encode(), _FORM)
            case "files":
                parts = _parts(params.get("form") or {}, params["files"], self._context.get("files"))
                body, kind = multipart(parts, seed=self._context["idempotency_key"])
                self._headers = {k: v for k, v in self._headers.items() if k.lower() != "content-type"}
                self._data(body, kind)
            case "body":
                self._data(params["body"].encode(), "text/plain; charset=utf-8")
            case "file":
                sent = read_file(params["file"], "file", self._context.get("files"))
                self._data(sent.content, sent.content_type)
            case "binary":
                self._data(decode_base64(params["binary"], "binary"), "application/octet-stream")

    def _data(self, body: bytes, content_type: str) -> None:
        self._options["data"] = body
        self._given("Content-Type", content_type)


def _host(url: str) -> str:
    """The host of an address, with its port if it names one."""
    parts = urlsplit(url)
    return ascii_host(parts.hostname or "") + (f":{parts.port}" if parts.port else "")


def _body_text(body: bytes) -> str:
    """A body as text, or its size when it is none."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"{len(body):,} bytes"


def _all_pages(call: _Call, pages: Paging, params: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    def send(url: str, changes: Mapping[str, Any] | None) -> HttpResponse:
        return call.send(url, {} if changes is None else {**call.query, **_texts(changes)})

    found = read_pages(
        pages,
        send,
        url=call.url,
        max_pages=_between("max_pages", params, MAX_PAGES),
        max_items=_between("max_items", params, MAX_ITEMS),
        cancelled=context["cancelled"],
    )
    return {
        "status": found.response.status,
        "headers": _plain(found.response.headers),
        "body": found.items,
        "pages": found.pages,
        "complete": found.complete,
    }


def _between(name: str, params: dict[str, Any], most: int) -> int:
    value = int(params.get(name) or 1)
    if not 1 <= value <= most:
        raise invalid_input(text("%(name)s must be between 1 and %(maximum)s.", name=name, maximum=most))
    return value


def _address(base: str, url: str) -> str:
    """`url` itself when it is whole or there is no base, else what it adds to the end of the base."""
    if "://" in url or not base:
        return url
    return f"{base.rstrip('/')}/{url.lstrip('/')}" if url else base


def _credentials(connection: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The headers and the query parameters that say who calls."""
    match connection.get("auth"):
        case "bearer":
            return {"Authorization": f"Bearer {connection['token']}"}, {}
        case "basic":
            pair = f"{connection['username']}:{connection['password']}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, {}
        case "header":
            return {str(connection["header_name"]): str(connection["token"])}, {}
        case "query":
            return {}, {str(connection["query_name"]): str(connection["token"])}
        case "oauth2":
            if not connection.get("access_token"):
                raise ConnectorError(text("The connection is not signed in. Reconnect it."), code="needs_reconnect")
            return {"Authorization": f"Bearer {connection['access_token']}"}, {}
    return {}, {}


def _parts(form: Mapping[str, Any], files: list[Any], store: Files | None) -> list[Part]:
    parts = [
        Part(name=name, content=one.encode())
        for name, value in _texts(form).items()
        for one in (value if isinstance(value, list) else [value])
    ]
    for index, value in enumerate(files):
        place = f"files[{index}]"
        file = read_file(value, place, store)
        name = "file" if is_file(value) else str(value.get("name") or "file")
        parts.append(Part(name=name, content=file.content, filename=file.filename, content_type=file.content_type))
    return parts


def _texts(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Values as a query, a form or headers carry them; what is null is left out, lists stay lists."""
    return {
        str(name): [as_text(one) for one in value] if isinstance(value, list) else as_text(value)
        for name, value in (values or {}).items()
        if value is not None
    }


def _lower(names: Mapping[str, Any]) -> set[str]:
    return {name.lower() for name in names}


def _statuses(values: list[Any] | None, name: str) -> list[str]:
    found = [str(value).lower() for value in values or []]
    for status in found:
        if not _STATUS.fullmatch(status):
            raise invalid_input(
                text("%(name)s contains %(value)s. Use statuses such as 404 or 4xx.", name=name, value=repr(status))
            )
    return found


def _matches(patterns: list[str], status: int) -> bool:
    return any(str(status) == pattern or f"{status // 100}xx" == pattern for pattern in patterns)


def _answer(response: HttpResponse, params: Mapping[str, Any]) -> Any:
    kind = params.get("answer", "auto")
    content_type = response.headers.get("content-type", "").lower()
    if kind == "json":
        return read_json(response)
    if kind == "none":
        return None
    if kind == "binary" or (kind == "auto" and response.body and not _is_text(content_type, response.body)):
        name = urlsplit(response.url).path.rpartition("/")[2] or "file"
        return File(
            filename=name, content=response.body, content_type=content_type or "application/octet-stream"
        ).value()
    if kind == "auto" and "json" in content_type:
        try:
            return response.json()
        except (ValueError, RecursionError):
            return response.text
    return response.text


def _is_text(content_type: str, body: bytes) -> bool:
    if content_type:
        return _TEXTUAL.match(content_type) is not None
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() != "set-cookie"}
