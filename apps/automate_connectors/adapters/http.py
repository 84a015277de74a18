"""HTTP connector: requests to any API, with the connection's credentials and a stable Idempotency-Key header."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.adapters.tables import read_tables
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
from automate_plugins.files import is_file
from automate_plugins.texts import joined

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: The fields of each kind of body.
_BODIES = {
    "none": (),
    "json": ("json",),
    "form": ("form", "files"),
    "text": ("body",),
    "file": ("file",),
    "binary": ("binary",),
}
_STATUS = re.compile(r"[1-5](\d\d|xx)")
_TEXTUAL = re.compile(r"text/|application/(.*\+)?(json|xml|javascript|yaml|x-www-form-urlencoded|graphql)")
_FORM = "application/x-www-form-urlencoded"


_TABLES = read_tables(Path(__file__).with_suffix(".yaml"), max_pages=MAX_PAGES, max_items=MAX_ITEMS)


class HttpConnector(ConnectorAdapter):
    """`request` sends one request, or one a page. A status of 400 or more is an error; 429 and 5xx may be retried."""

    code = "http"
    name = "HTTP"
    description = text("Call an API")
    icon = "public"
    hue = 245
    config_fields = _TABLES.settings
    actions = _TABLES.actions

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
