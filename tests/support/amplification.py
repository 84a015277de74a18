"""Servers that send little from which much is made, and what each connector and model provider makes of it.

`python -m tests.support.amplification NAME...` prints a line of JSON for each case: by how much the memory of the
process grew at most, the seconds of CPU and of the clock, and the code of the error. Each case has a process of its
own, forked from one that has imported everything, so that nothing else is measured; the servers are in the parent.
"""

from __future__ import annotations

import contextlib
import fnmatch
import itertools
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 10.0  #: of the deadline of a call
_SIZE = 4_900_000  #: of a body: just below what is read

type Call = Callable[[dict[str, Any], int], object]


@dataclass(frozen=True, kw_only=True)
class Case:
    """`call(context, port)` asks. `serve(socket)` answers a connection; without it, `body` answers each request."""

    name: str
    call: Call
    body: Callable[[], bytes] = bytes
    serve: Callable[[socket.socket], None] | None = None


def many(piece: bytes, before: bytes = b"", after: bytes = b"") -> Callable[[], bytes]:
    """A body of a piece again and again."""
    return lambda: before + piece * ((_SIZE - len(before) - len(after)) // len(piece)) + after


def numbered(piece: bytes, before: bytes = b"", after: bytes = b"") -> Callable[[], bytes]:
    """The same, with another number in each piece."""
    return lambda: before + b"".join(piece % number for number in range(_SIZE // (len(piece) + 5))) + after


# --- bodies -----------------------------------------------------------------------------------------------------------

_RSS = (b"<rss><channel><title>t</title>", b"</channel></rss>")
_TITLE = b"x" * 4_400_000
FEEDS = {
    "items": many(b"<item/>", *_RSS),
    "title": lambda: (
        b"<rss><channel><title>" + _TITLE + b"</title>" + b"<item><guid>1</guid></item>" * 15_000 + _RSS[1]
    ),
    "elements": many(b"<z/>", b"<rss><channel><item>", b"</item></channel></rss>"),
    "names": numbered(b"<a%d/>", b"<rss><channel><item>", b"</item></channel></rss>"),
    "attributes": numbered(b' a%d=""', b"<rss><channel", b"><item/></channel></rss>"),
    "namespaces": numbered(b' xmlns:a%d="u"', b"<rss", b"><channel><item/></channel></rss>"),
    "characters": many(b"&#65;", b"<rss><channel><title>", b"</title></channel></rss>"),
    "nested": many(b"<item><title>x", b"<feed><title>f</title>", b""),
    "text_in_nested_items": lambda: b"<feed>" + b"<entry><title>" * 45 + _TITLE + b"</title></entry>" * 45 + b"</feed>",
    "enclosures": many(b'<enclosure url="a"/>', b"<rss><channel><item>", b"</item></channel></rss>"),
    "no_feed": many(b"<z/>", b"<html>", b"</html>"),
}
LISTS = {
    "contents": many(b"<Contents/>", b"<ListBucketResult>", b"</ListBucketResult>"),
    "keys": numbered(b"<Contents><Key>%d</Key></Contents>", b"<ListBucketResult>", b"</ListBucketResult>"),
    "folders": many(b"<CommonPrefixes/>", b"<ListBucketResult>", b"</ListBucketResult>"),
    "other": many(b"<z/>", b"<ListBucketResult>", b"</ListBucketResult>"),
}
_NAMES = ("items", "data", "results", "value", "values", "records", "issues", "events", "result", "response", "list")
JSON = {
    "objects": many(b"{},", b"[", b"{}]"),
    "members": lambda: (
        b"{" + b",".join(b'"%s":[%s{}]' % (name.encode(), b"{}," * 140_000) for name in _NAMES) + b',"more":1}'
    ),
    "text": lambda: json.dumps({name: [{"id": "1", "text": "x" * 400_000}] for name in _NAMES}).encode(),
    "names": numbered(b'"a%d":1,', b"{", b'"z":1}'),
    "rows": lambda: b'{"values":[["' + b"x" * 4_000_000 + b'"]' + b',["1"]' * 140_000 + b"]}",
    "depth": lambda: b"[" * 2_000_000 + b"]" * 2_000_000,
}


# --- conversations ----------------------------------------------------------------------------------------------------


def smtp_endless_banner(sock: socket.socket) -> None:
    """A banner without an end."""
    _pour(sock, b"220-hello\r\n")


def smtp_endless_ehlo(sock: socket.socket) -> None:
    """A reply to EHLO without an end, each line a feature."""
    sock.sendall(b"220 hello\r\n")
    sock.recv(1_000)
    for number in itertools.count():
        sock.sendall(b"".join(b"250-FEATURE%d AUTH LOGIN\r\n" % (number * 2_000 + each) for each in range(2_000)))


def smtp_endless_line(sock: socket.socket) -> None:
    """A line without an end."""
    _pour(sock, b"220 hello")


def imap_server(
    given: bytes, *, to: bytes, times: int = 100_000, before: bytes = b""
) -> Callable[[socket.socket], None]:
    """A server that answers the command `to` with so many of the same."""

    def serve(sock: socket.socket) -> None:
        sock.sendall(b"* OK hello\r\n")
        with sock.makefile("rb") as lines:
            for line in lines:
                tag, _, rest = line.partition(b" ")
                if rest.startswith(b"CAPABILITY"):
                    sock.sendall(b"* CAPABILITY IMAP4REV1\r\n")
                elif rest.upper().startswith((b"SELECT", b"EXAMINE")):
                    sock.sendall(b"* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 9000] x\r\n")
                elif to != b"UID SEARCH" and rest.startswith(b"UID SEARCH"):
                    sock.sendall(b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(8_600, 8_990)) + b"\r\n")
                if rest.startswith(to):
                    sock.sendall(before)
                    for _ in range(times // 1_000):
                        sock.sendall(given * 1_000)
                    sock.sendall(b"\r\n" if before else b"")
                sock.sendall(tag + b" OK done\r\n")

    return serve


def mysql_server(given: bytes) -> Callable[[socket.socket], None]:
    """A server whose greeting, and all else, is a packet again and again."""
    return lambda sock: _pour(sock, given)


def _pour(sock: socket.socket, piece: bytes) -> None:
    block = piece * (65_536 // len(piece) + 1)
    while True:
        sock.sendall(block)


# --- calls ------------------------------------------------------------------------------------------------------------


def _action(code: str, name: str, params: dict[str, Any], connection: dict[str, Any] | None = None) -> Call:
    def call(context: dict[str, Any], port: int) -> object:
        from automate_connectors.invocation import invoke
        from automate_connectors.registry import find_action

        adapter, action = find_action(f"{code}.{name}")
        given = {key: port if value == "PORT" else value for key, value in (connection or {}).items()}
        return invoke(adapter, action, params, {**context, "connection": given})

    return call


def _poll(
    code: str, name: str, params: dict[str, Any], connection: dict[str, Any] | None = None, cursor: Any = None
) -> Call:
    def call(context: dict[str, Any], port: int) -> object:
        from automate_connectors.context import Context
        from automate_connectors.polling.calls import call_poll
        from automate_connectors.registry import find_poll

        adapter, poll = find_poll(f"{code}.{name}")
        given = {key: port if value == "PORT" else value for key, value in (connection or {}).items()}
        return call_poll(adapter, poll, params, cursor, Context({**context, "connection": given}))

    return call


def _chat(provider: str) -> Call:
    def call(context: dict[str, Any], port: int) -> object:
        from automate_llm.providers.options import ChatOptions
        from automate_llm.registry import providers

        connection = {"base_url": "https://models.example.com", "api_key": "key"}
        options = ChatOptions(model="m", max_tokens=100, http=context["http"], connection=connection)
        options["on_usage"] = lambda usage: None
        chosen = providers.get(provider)
        with contextlib.suppress(NotImplementedError):
            chosen.models(options)
        return chosen.chat([{"role": "user", "content": "hello"}], options)

    return call


#: Connectors that have cases of their own; `data` and `models` reach no server.
OTHERS = frozenset({"data", "models", "http", "rss", "email", "imap", "mysql", "sql", "sftp", "llm"})
#: Values of fields and settings that made-up texts do not fit.
_FITTING = {
    "repository": "ada/app", "to": "ada@example.com", "to_bucket": "files", "title": "a", "types": ["a"],
    "api_domain": "https://api.example.com", "instance_url": "https://api.example.com", "realmId": "1", "bucket": "files",
    "email": "ada@example.com", "text": "a",
}  # fmt: skip
_FEED = {"url": "https://news.example.com/feed.xml"}
_S3 = {"access_key_id": "a", "secret_access_key": "b", "bucket": "files"}
_MAIL = {"host": "127.0.0.1", "port": "PORT", "security": "none", "from_address": "a@example.com"}
_BOX = {"host": "127.0.0.1", "port": "PORT", "security": "none", "username": "u", "password": "p"}
_SQL = {
    "host": "127.0.0.1", "port": "PORT", "database": "d", "username": "u", "user": "u", "password": "p", "tls": "disable",
}  # fmt: skip
_SFTP = {"host": "127.0.0.1", "port": "PORT", "username": "u", "password": "p", "fingerprint": "SHA256:" + "a" * 43}
_MESSAGE = {"to": ["b@example.com"], "subject": "s", "text": "t"}
_NEW = {"validity": 1, "uid": 100, "day": "", "since": ""}
IMAP = {
    "literals": imap_server(b"* 1 FETCH (A {1}\r\nx)\r\n", to=b"UID FETCH", times=1_000_000),
    "lines": imap_server(b"* 1 EXISTS\r\n", to=b"UID SEARCH", times=2_000_000),
    "uids": imap_server(b"100 ", to=b"UID SEARCH", times=1_200_000, before=b"* SEARCH "),
    "searches": imap_server(b"* SEARCH 1\r\n", to=b"UID SEARCH", times=2_000_000),
    "capabilities": imap_server(b"A", to=b"CAPABILITY", times=100_000_000, before=b"* CAPABILITY "),
    "flags": imap_server(b"x ", to=b"UID FETCH", times=2_400_000, before=b"* 1 FETCH (UID 8700 RFC822.SIZE 1 FLAGS ("),
}
SMTP = {"banner": smtp_endless_banner, "ehlo": smtp_endless_ehlo, "line": smtp_endless_line}
MYSQL = {
    "greeting": mysql_server(b"\x01\x00\x00\x00\x0a"),
    "packets": mysql_server(b"\xff\xff\xff\x00" + b"x" * 60_000),
    "order": mysql_server(b"\x05\x00\x00\x07hello"),
}


def _fitting(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _FITTING.get(name, value) for name, value in given.items()}


def _http_cases() -> Iterator[Case]:
    """Actions and polls of the connectors to web services, each against JSON of another shape.

    All that have code of their own, and of those that are declared, which share theirs, two actions and the polls.
    """
    from automate_connectors.declared.adapter import DeclaredConnector
    from automate_connectors.registry import connectors
    from automate_testing.contracts.samples import made_up_cases, made_up_config

    shapes = itertools.cycle(JSON.items())
    for code in connectors.names():
        adapter = connectors.get(code)
        if code in OTHERS:
            continue
        config, calls = {**_FITTING, **_fitting(made_up_config(adapter))}, list[tuple[str, Call]]()
        for each in made_up_cases(adapter)[: 2 if isinstance(adapter, DeclaredConnector) else None]:
            calls.append((each.action, _action(code, each.action, _fitting(each.params), config)))
        for poll in adapter.polls:
            params = {spec.name: spec.default or "text" for spec in poll.fields if spec.required}
            calls.append((poll.name, _poll(code, poll.name, _fitting(params), config)))
        for name, call in calls:
            shape, body = next(shapes)
            yield Case(name=f"{code}.{name}:{shape}", call=call, body=body)


def cases() -> dict[str, Case]:
    """All cases by their names."""
    found = [
        *(Case(name=f"rss.new_item:{name}", call=_poll("rss", "new_item", _FEED), body=body) for name, body in FEEDS.items()),
        *(
            Case(name=f"rss.read_feed:{name}", call=_action("rss", "read_feed", {**_FEED, "limit": 100}), body=body)
            for name, body in FEEDS.items()
        ),
        *(
            Case(name=f"s3.{act}:xml_{name}", call=call, body=body)
            for name, body in LISTS.items()
            for act, call in (
                ("new_object", _poll("s3", "new_object", {}, _S3)),
                ("list_objects", _action("s3", "list_objects", {}, _S3)),
            )
        ),
        *(
            Case(name=f"email.send:{name}", call=_action("email", "send", _MESSAGE, _MAIL), serve=serve)
            for name, serve in SMTP.items()
        ),
        *(
            Case(name=f"imap.{act}:{name}", call=call, serve=serve)
            for name, serve in IMAP.items()
            for act, call in (
                ("new_message", _poll("imap", "new_message", {}, _BOX, _NEW)),
                ("search_messages", _action("imap", "search_messages", {"limit": 100}, _BOX)),
            )
        ),
        *(
            Case(name=f"mysql.query:{name}", call=_action("mysql", "query", {"sql": "SELECT 1"}, _SQL), serve=serve)
            for name, serve in MYSQL.items()
        ),
        Case(
            name="sql.query:notices",
            call=_action("sql", "query", {"sql": "SELECT 1"}, _SQL),
            serve=mysql_server(b"N\x00\x00\x00\x0bSx\x00Mhi\x00\x00"),
        ),
        Case(name="sftp.list:banner", call=_action("sftp", "list_files", {"folder": "/"}, _SFTP), serve=mysql_server(b"hi\r\n")),
        *(
            Case(name=f"llm.{provider}:{shape}", call=_chat(provider), body=body)
            for provider in ("openai", "anthropic", "ollama")
            for shape, body in JSON.items()
        ),
        *(
            Case(name=f"http.request:{shape}", call=_action("http", "request", _FEED), body=body)
            for shape, body in JSON.items()
        ),
        *_http_cases(),
    ]  # fmt: skip
    return {case.name: case for case in found}


# --- measuring --------------------------------------------------------------------------------------------------------


def measure(case: Case) -> dict[str, Any]:
    """Make the call in a forked process. Returns `name`, `peak` and `cpu`, `seconds`, and the `code` of an error."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = _forked(lambda: _accept(listener, case.serve)) if case.serve else 0
    read, write = os.pipe()
    child = _forked(lambda: os.write(write, json.dumps(_observe(case, listener.getsockname()[1])).encode()))
    os.close(write)
    with os.fdopen(read, "rb") as given:
        said = given.read()
    os.waitpid(child, 0)
    if server:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
    listener.close()
    return {"name": case.name, **(json.loads(said) if said else {"code": "killed", "peak": 0, "cpu": 0, "seconds": 0})}


def _forked(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def _accept(listener: socket.socket, serve: Callable[[socket.socket], None] | None) -> None:
    while serve is not None:
        sock, _ = listener.accept()
        with contextlib.suppress(OSError), sock:
            serve(sock)


def _observe(case: Case, port: int) -> dict[str, Any]:
    from automate_connectors.adapters.base import ConnectorError
    from automate_egress import EgressError, HttpResponse, Network
    from automate_llm.providers.base import LLMProviderError
    from automate_testing.fakes import ScriptedHttp, context

    response = HttpResponse(status=200, headers={"content-type": "application/json"}, body=case.body())
    deadline = time.monotonic() + SECONDS
    network = Network(internal_hosts=[f"127.0.0.1:{port}"], deadline=deadline)
    given = context(ScriptedHttp([response]), network=network, deadline=deadline)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
    before, began, cpu = _status("VmRSS"), time.monotonic(), time.process_time()
    code = ""
    try:
        case.call(given, port)
    except (ConnectorError, EgressError, LLMProviderError) as error:
        code = error.code
    except Exception as error:  # noqa: BLE001 - it is what is measured
        code = f"{type(error).__name__}: {error}"[:200]
    return {
        "peak": _status("VmHWM") - before,
        "cpu": round(time.process_time() - cpu, 2),
        "seconds": round(time.monotonic() - began, 2),
        "code": code,
    }


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1_024 if found else 0


def main(patterns: list[str]) -> None:
    """Measure the cases whose names match one of the patterns."""
    import django

    django.setup()
    for name, case in cases().items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            print(json.dumps(measure(case)), flush=True)  # noqa: T201 - its output


if __name__ == "__main__":
    main(sys.argv[1:])
