"""HTTP connector: requests to any API, with the connection's credentials and a stable Idempotency-Key header."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_connectors.paging import MAX_ITEMS, MAX_PAGES, NextPage, Paging, read_paging
from automate_connectors.web import ANSWERED_BY, File, decode_base64, http_error, invalid_input
from automate_egress import HttpResponse
from automate_egress.forms import Part, multipart
from automate_egress.policy import ascii_host
from automate_plugins.fields import FieldKind, FieldSpec

_METHODS = tuple((method, method) for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_AUTH = (
    ("none", "None"),
    ("bearer", "Bearer token"),
    ("basic", "User and password"),
    ("header", "Header"),
    ("query", "Query parameter"),
    ("oauth2", "OAuth2"),
)
_ANSWERS = (("auto", "By its type"), ("json", "JSON"), ("text", "Text"), ("binary", "File"), ("none", "Ignore it"))
_PAGINATION = (("none", "None"), ("link", "Link header"), ("cursor", "Cursor"), ("page", "Page number"))
_BODIES = ("json", "form", "files", "body", "binary")
_STATUS = re.compile(r"[1-5](\d\d|xx)")
_TEXTUAL = re.compile(r"text/|application/(.*\+)?(json|xml|javascript|yaml|x-www-form-urlencoded|graphql)")
_FORM = "application/x-www-form-urlencoded"

_REQUEST = (
    FieldSpec(name="method", label="Method", kind=FieldKind.CHOICE, choices=_METHODS, default="GET", shown=True),
    FieldSpec(name="url", label="URL", required=True, help="Whole, or what follows the base URL"),
    FieldSpec(name="query", label="Query", kind=FieldKind.MAPPING),
    FieldSpec(name="headers", label="Headers", kind=FieldKind.MAPPING),
    FieldSpec(name="json", label="JSON body", kind=FieldKind.JSON),
    FieldSpec(name="form", label="Form fields", kind=FieldKind.MAPPING, help="Sent as a form, with files as multipart"),
    FieldSpec(
        name="files",
        label="Files",
        kind=FieldKind.LIST,
        help="Each a mapping: name, filename, content_type and base64 or text",
    ),
    FieldSpec(name="body", label="Text body", kind=FieldKind.LONG_TEXT),
    FieldSpec(name="binary", label="Binary body", kind=FieldKind.LONG_TEXT, help="In base64"),
    FieldSpec(name="answer", label="Read the answer as", kind=FieldKind.CHOICE, choices=_ANSWERS, default="auto"),
    FieldSpec(
        name="success_statuses",
        label="Statuses that succeed",
        kind=FieldKind.LIST,
        help="Such as 2xx and 404; else every one below 400",
    ),
    FieldSpec(
        name="retry_statuses",
        label="Statuses to retry",
        kind=FieldKind.LIST,
        help="Else 408, 425, 429, 500, 502, 503 and 504",
    ),
    FieldSpec(name="follow_redirects", label="Follow redirects", kind=FieldKind.BOOLEAN, default=True),
    FieldSpec(
        name="idempotency_header",
        label="Idempotency header",
        default="Idempotency-Key",
        help="Carries the same key on every attempt of this step; empty sends none",
    ),
)
_PAGES = (
    FieldSpec(name="pagination", label="Pages", kind=FieldKind.CHOICE, choices=_PAGINATION, default="none"),
    FieldSpec(name="items", label="List in the answer", help="Such as data.items; empty: the answer is the list"),
    FieldSpec(name="cursor", label="Cursor in the answer", help="Such as meta.next_cursor; a URL is followed"),
    FieldSpec(name="cursor_parameter", label="Parameter for the cursor", default="cursor"),
    FieldSpec(name="page_parameter", label="Parameter for the page", default="page"),
    FieldSpec(name="first_page", label="First page", kind=FieldKind.INTEGER, default=1),
    FieldSpec(name="max_pages", label="Pages at most", kind=FieldKind.INTEGER, default=10, help=f"Up to {MAX_PAGES}"),
    FieldSpec(
        name="max_items", label="Items at most", kind=FieldKind.INTEGER, default=1_000, help=f"Up to {MAX_ITEMS:,}"
    ),
)


class HttpConnector(ConnectorAdapter):
    """`request` sends one request, or one a page. A status of 400 or more is an error; 429 and 5xx may be retried."""

    code = "http"
    name = "HTTP"
    description = "Call an API"
    icon = "public"
    hue = 245
    config_fields = (
        FieldSpec(name="base_url", label="Base URL", kind=FieldKind.URL, help="Steps add their URLs to its end"),
        FieldSpec(name="auth", label="Authentication", kind=FieldKind.CHOICE, choices=_AUTH, default="none"),
        FieldSpec(
            name="token",
            label="Token",
            kind=FieldKind.SECRET,
            help="For bearer, header and query",
            required=True,
            when=("auth", ("bearer", "header", "query")),
        ),
        FieldSpec(
            name="header_name",
            label="Header name",
            help="The header that carries the token",
            required=True,
            when=("auth", ("header",)),
        ),
        FieldSpec(
            name="query_name",
            label="Query parameter",
            help="The parameter that carries the token",
            required=True,
            when=("auth", ("query",)),
        ),
        FieldSpec(name="username", label="User name", required=True, when=("auth", ("basic",))),
        FieldSpec(name="password", label="Password", kind=FieldKind.SECRET, required=True, when=("auth", ("basic",))),
        FieldSpec(name="headers", label="Headers", kind=FieldKind.MAPPING, help="Sent with every request"),
        FieldSpec(name="test_path", label="Path for the test", help="A GET of it changes nothing and needs to sign in"),
    )
    actions = (
        Action(
            name="request",
            label="Send a request",
            description="Call a URL and give its answer",
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
            raise ValueError(f"authentication by {config.get('auth')} needs {' and '.join(missing)}")

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Send the request and return `status`, `headers` and `body`; of pages also `pages` and `complete`."""
        call = _Call(params, context)
        pages = read_paging(params)
        if pages is not None:
            return _all_pages(call, pages, params, context)
        response = call.send(call.url, call.query)
        return {"status": response.status, "headers": _plain(response.headers), "body": _answer(response, params)}

    def describe(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
        """The request: method, host, path, query, the step's own headers and the body; of pages, the first."""
        call = _Call(params, {**context, "connection": {**(context.get("connection") or {}), "auth": "none"}})
        return call.describe()

    def check_connection(self, context: dict[str, Any]) -> str:
        """GET the base URL, or the path for the test."""
        connection = context["connection"]
        if not connection.get("base_url"):
            raise ConnectorError("there is no base URL to test: set one", code="invalid_input")
        call = _Call({"url": connection.get("test_path") or ""}, context)
        try:
            response = call.send(call.url, {})
        except ConnectorError as error:
            status = error.details.get("status")
            if status is None:
                raise
            if status in {401, 403} and ANSWERED_BY not in error.details:
                raise ConnectorError(
                    f"{error.message}: the credentials are refused, replace them", code="authentication_failed"
                ) from error
            who = error.details.get(ANSWERED_BY, urlsplit(call.url).hostname)
            return f"{who} answered with HTTP {status}, which says nothing against the credentials"
        return f"{urlsplit(call.url).hostname} answered with HTTP {response.status}"


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

    def send(self, url: str, query: Mapping[str, Any]) -> HttpResponse:
        """The answer, when its status is one that succeeds. Raises ConnectorError, EgressError."""
        shown = url.partition("?")[0]
        self._context["log"](f"{self.method} {shown}")
        inside = {name for name, _ in parse_qsl(urlsplit(url).query)}
        secret = {name: value for name, value in self._secret_query.items() if name not in inside}
        response: HttpResponse = self._context["http"].request(
            self.method, url, headers=dict(self._headers), params={**query, **secret} or None, **self._options
        )
        if not self._succeeds(response.status):
            error = http_error(
                f"HTTP {response.status} from {self.method} {shown}",
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
            "query": {**dict(parse_qsl(where.query)), **self.query},
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
        given = [name for name in _BODIES if params.get(name) not in (None, "", [])]
        if len(given) > 1 and set(given) != {"form", "files"}:
            raise invalid_input(f"a request has one body: {' and '.join(given)} are given")
        if not given:
            return
        match given[-1]:
            case "json":
                self._options["json"] = params["json"]
            case "form":
                self._data(urlencode(_texts(params["form"]), doseq=True).encode(), _FORM)
            case "files":
                parts = _parts(params.get("form") or {}, params["files"])
                body, kind = multipart(parts, seed=self._context["idempotency_key"])
                self._headers = {k: v for k, v in self._headers.items() if k.lower() != "content-type"}
                self._data(body, kind)
            case "body":
                self._data(params["body"].encode(), "text/plain; charset=utf-8")
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
    most, most_items = _between("max_pages", params, MAX_PAGES), _between("max_items", params, MAX_ITEMS)
    url, query = call.url, {**call.query, **_texts(pages.start())}
    items: list[Any] = []
    seen: set[tuple[str, str]] = set()
    size = number = 0
    step: NextPage | None = NextPage(url=url)
    while step is not None and number < most and len(items) < most_items:
        if context["cancelled"]():
            raise ConnectorError("cancelled between two pages", code="cancelled")
        place = (url, json.dumps(query, sort_keys=True))
        if place in seen:
            raise ConnectorError(
                "the pages lead in a circle: check the cursor and its parameter", code="invalid_answer"
            )
        seen.add(place)
        response = call.send(url, query)
        size += len(response.body)
        if size > 5_000_000:
            raise ConnectorError("the pages hold more than 5,000,000 bytes: ask for fewer", code="output_too_large")
        document = _json(response)
        items += pages.page(document)
        step = pages.after(response, document, url=url, number=number)
        number += 1
        if step is not None and step.url:
            url, query = step.url, {}
        elif step is not None:
            query = {**query, step.parameter: _text(step.value)}
    return {
        "status": response.status,
        "headers": _plain(response.headers),
        "body": items[:most_items],
        "pages": number,
        "complete": step is None and len(items) <= most_items,
    }


def _between(name: str, params: dict[str, Any], most: int) -> int:
    value = int(params.get(name) or 1)
    if not 1 <= value <= most:
        raise invalid_input(f"{name} must be from 1 to {most:,}")
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
                raise ConnectorError("the connection is not signed in: reconnect it", code="needs_reconnect")
            return {"Authorization": f"Bearer {connection['access_token']}"}, {}
    return {}, {}


def _parts(form: Mapping[str, Any], files: list[Any]) -> list[Part]:
    parts = [
        Part(name=name, content=one.encode())
        for name, value in _texts(form).items()
        for one in (value if isinstance(value, list) else [value])
    ]
    for index, value in enumerate(files):
        file = File.read(value, f"files[{index}]")
        name = str(value.get("name") or "file")
        parts.append(Part(name=name, content=file.content, filename=file.filename, content_type=file.content_type))
    return parts


def _texts(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Values as a query, a form or headers carry them; what is null is left out, lists stay lists."""
    return {
        str(name): [_text(one) for one in value] if isinstance(value, list) else _text(value)
        for name, value in (values or {}).items()
        if value is not None
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _lower(names: Mapping[str, Any]) -> set[str]:
    return {name.lower() for name in names}


def _statuses(values: list[Any] | None, name: str) -> list[str]:
    found = [str(value).lower() for value in values or []]
    for status in found:
        if not _STATUS.fullmatch(status):
            raise invalid_input(f"{name} holds {status!r}; a status is like 404 or 4xx")
    return found


def _matches(patterns: list[str], status: int) -> bool:
    return any(str(status) == pattern or f"{status // 100}xx" == pattern for pattern in patterns)


def _answer(response: HttpResponse, params: Mapping[str, Any]) -> Any:
    kind = params.get("answer", "auto")
    content_type = response.headers.get("content-type", "").lower()
    if kind == "json":
        return _json(response)
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


def _json(response: HttpResponse) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        raise http_error("the answer is not JSON", response, code="invalid_answer", retryable=False) from error


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() != "set-cookie"}
