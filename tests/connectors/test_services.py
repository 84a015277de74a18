"""Each shipped service that is a document, or partly, against a local server: its fixtures say what is asked and what is answered."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from automate_connectors.declared.loading import SERVICES
from automate_connectors.declared.templates import base_address
from automate_connectors.polling.calls import call_poll
from automate_connectors.registry import connectors
from automate_testing.cases import ANYTHING, load_cases
from automate_testing.fakes import ScriptedHttp, context
from automate_testing.fakes import answer as fake_answer
from tests.connectors.conftest import real_context
from tests.support.matrix import representatives

FIXTURES = Path(__file__).parent.parent / "contracts" / "fixtures"
CODES = sorted(path.parent.name for path in SERVICES.parent.glob("*/*/connector.yaml"))


@pytest.mark.parametrize("code", representatives(CODES, every=5))
def test_each_action_sends_what_its_fixture_names(server, call, code):
    adapter = connectors.get(code)
    for case in load_cases(FIXTURES / code):
        base = urlsplit(base_address(adapter.document.base_url, {**adapter._defaults(), **case.connection}))
        connection = {**case.connection, "base_url": f"{server.url}{base.path}"}
        script, server.asked[:] = list(case.script), []
        own = f"{base.scheme}://{base.netloc}"
        addresses = {own, *(f"https://{host}" for host in adapter.own_hosts(case.connection))}

        def answer(asked, script=script, addresses=addresses):
            given = script[len(server.asked) - 1]
            body = b"" if given.status == 204 else _led_to(server, addresses, given.body.decode()).encode()
            more = {name: _led_to(server, addresses, value) for name, value in _plain(given.headers).items()}
            return given.status, body, {"Content-Type": given.headers["content-type"], **more}

        server.answer = answer
        output = call(adapter, case.action, case.params, connection)
        as_given = json.loads(json.dumps(output).replace(server.url, own))
        assert case.output in (ANYTHING, as_given), case
        wanted = case.requests or (case.request,)
        assert len(server.asked) == len(wanted), case
        for asked, expected in zip(server.asked, wanted, strict=True):
            assert asked.method == expected["method"], case
            where = urlsplit(expected["url"])
            assert asked.path == where.path, case
            assert asked.query == (parse_qs(where.query) or _lists(expected.get("params"))), case
            assert _body(asked) == _expected_body(expected), case


POLLING = sorted({path.parent.parent.name for path in FIXTURES.glob("*/polls/*.json")})


@pytest.mark.parametrize("code", representatives(POLLING, every=5))
def test_each_poll_sends_and_finds_what_its_fixture_names(server, code):
    adapter = connectors.get(code)
    for path in sorted((FIXTURES / code / "polls").glob("*.json")):
        case, server.asked[:] = json.loads(path.read_text()), []
        base = urlsplit(base_address(adapter.document.base_url, {**adapter._defaults(), **case["connection"]}))
        connection = {**case["connection"], "base_url": f"{server.url}{base.path}"}
        server.answer = lambda asked, case=case: (200, case["answers"][len(server.asked) - 1]["body"], {})
        poll = next(each for each in adapter.polls if each.name == case["poll"])
        found = call_poll(adapter, poll, case["params"], None, real_context(connection)).items
        given = [
            {"id": item.id, "time": item.time and item.time.isoformat(), "data": json.loads(item.data)}
            for item in found
        ]
        assert given == case["items"], path
        assert _has_date(case["source"]), path
        for asked, expected in zip(server.asked, case["requests"], strict=True):
            assert (asked.method, asked.path) == (expected["method"], urlsplit(expected["url"]).path), path
            wanted = sorted(_lists(expected.get("params")).items())
            assert [name for name, _ in wanted] == sorted(asked.query), path
            assert all(_fits(asked.query[name][0], str(value[0])) for name, value in wanted), (path, asked.query)
            assert _body(asked) == _expected_body(expected), path


ANSWERS = sorted(FIXTURES.glob("*/setup/answers.json"))


@pytest.mark.parametrize("path", [path for path in ANSWERS if '"request"' in path.read_text()], ids=str)
def test_each_list_of_choices_is_read_as_its_fixture_names(path):
    adapter = connectors.get(path.parent.parent.name)
    for name, answers in json.loads(path.read_text()).items():
        if "request" not in answers[0]:
            continue
        [given] = answers
        http = ScriptedHttp([fake_answer(200, given["body"])])
        found = adapter.options(name, given.get("params", {}), context(http, given["connection"]))
        [asked], wanted = http.requests, given["request"]
        assert found == [tuple(each) for each in given["choices"]], name
        assert (asked.method, asked.url) == (wanted["method"], wanted["url"]), name
        assert {key: str(value) for key, value in (asked.params or {}).items()} == wanted.get("params", {}), name
        assert asked.json == wanted.get("json"), name


HOOKS = [path for path in sorted(FIXTURES.glob("*/webhooks/*.json")) if "sent" in json.loads(path.read_text())]


@pytest.mark.parametrize("path", HOOKS, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_each_webhook_registers_what_its_fixture_names(path):
    case, adapter = json.loads(path.read_text()), connectors.get(path.parent.parent.name)
    webhook = next(each for each in adapter.webhooks if each.name == case["webhook"])
    is_only = not adapter.document.webhook(webhook.name).id
    http = ScriptedHttp(
        [
            *([fake_answer(200, {"ok": True, "result": {"url": ""}})] if is_only else []),
            fake_answer(200, case["registered"]),
        ]
    )
    given = {**case.get("params", {}), "events": case.get("events") or list(webhook.event_types)}
    adapter.register_webhook(webhook.name, given, "https://us.example/", "s" * 16, context(http, case["connection"]))
    body = dict(http.requests[-1].json)
    assert (body.pop(case["url_at"]), body.pop(case["secret_at"])) == ("https://us.example/", "s" * 16)
    assert body == case["sent"]


@pytest.mark.parametrize("code", CODES)
def test_each_fixture_names_its_source_and_date(code):
    unnamed = [str(case) for case in load_cases(FIXTURES / code) if not _has_date(case.source)]
    assert not unnamed


@pytest.mark.parametrize("code", CODES)
def test_each_action_has_a_fixture_and_a_sample(code):
    adapter, tried = connectors.get(code), {case.action for case in load_cases(FIXTURES / code)}
    assert [action.name for action in adapter.actions if action.name not in tried] == []
    parts = [part for part in adapter.document.actions if not part.hidden]
    assert [part.name for part in parts if part.sample is None and part.answer == "json"] == []


def _fits(value, wanted):
    """A JSON list as it is, or a pattern for what changes with time."""
    return value == wanted or fnmatchcase(value, wanted)


def _has_date(source):
    return any(word.strip("., ")[:4].isdigit() and word.count("-") == 2 for word in source.split())


def _led_to(server, addresses, text):
    """The text with the service's addresses, such as those of next pages, as the server's."""
    for address in addresses:
        text = text.replace(address, server.url)
    return text


def _plain(headers):
    return {name: value for name, value in headers.items() if name != "content-type"}


def _lists(params):
    return {name: value if isinstance(value, list) else [str(value)] for name, value in (params or {}).items()}


def _body(asked):
    if not asked.body:
        return None
    kind = asked.headers.get("content-type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        return parse_qsl(asked.body.decode(), keep_blank_values=True)
    return asked.json if "json" in kind else None  # files are compared in test_declared.py


def _expected_body(expected):
    if "data" in expected:
        return parse_qsl(expected["data"], keep_blank_values=True)
    return expected.get("json")
