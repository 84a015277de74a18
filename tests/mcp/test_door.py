"""The door of the MCP server: tokens, hosts, origins, methods, limits, and requests that are none."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest
from mcp import MCPError

from automate_api.mcp import server
from automate_api.mcp.tools import catalogue
from tests.support.mcp import LEGACY, MODERN

pytestmark = pytest.mark.django_db(transaction=True)

HEADERS = {"mcp-protocol-version": "2025-11-25", "accept": "application/json, text/event-stream"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


@pytest.fixture
def send(on_site):
    """One request: (status, headers, JSON)."""

    def send(plain="", *, method="POST", path="/mcp/", body=LIST, **headers):
        named = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def use(site):
            async with site.http(plain) as http:
                named["content-type"] = named.get("content-type", "application/json")
                return await http.request(method, path, content=content, headers=named)

        answer = on_site(use)
        return (
            answer.status_code,
            answer.headers,
            answer.json() if "json" in answer.headers.get("content-type", "") else None,
        )

    return send


@pytest.mark.parametrize("path", ["/mcp/", "/mcp"])
def test_the_path_has_a_slash_or_none(api, owner, send, path):
    status, _headers, answer = send(api(owner).plain, path=path)
    assert status == 200 and answer["result"]["tools"]


def test_without_a_token_nothing_is_answered(send):
    for headers in ({}, {"authorization": "Basic abc"}, {"authorization": "Bearer "}):
        status, told, answer = send(**headers)
        assert (status, answer["error"]["message"]) == (401, "A valid API token is required.")
        assert told["www-authenticate"].startswith("Bearer ")
        assert "error" not in told["www-authenticate"], "an error is about a token that was sent"
    assert 'error="invalid_token"' in send("dat_unknown")[1]["www-authenticate"]


def test_other_hosts_and_pages_of_other_sites_are_refused(api, owner, send, settings):
    settings.ALLOWED_HOSTS = ["testserver"]
    plain = api(owner).plain
    assert send(plain, host="evil.example.com")[0] == 421
    assert send(plain, origin="https://evil.example.com")[0] == 403
    assert send(plain, origin="null")[0] == 403
    assert send(plain, origin="https://testserver")[0] == 200


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_other_methods_are_refused(api, owner, send, method):
    status, headers, _answer = send(api(owner).plain, method=method)
    assert (status, headers["allow"]) == (405, "POST")


def test_the_rate_of_a_token_is_limited(api, owner, send, settings):
    settings.AUTOMATE_API_RATE = 1
    plain = api(owner).plain
    assert send(plain)[0] == 200
    status, headers, _answer = send(plain)
    assert status == 429 and int(headers["retry-after"]) >= 1


@pytest.mark.matrix
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"[" * 100_000,
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": []}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": 7}}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "nothing/at/all"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": "x"}}',
        b'{"jsonrpc": "2.0", "id": 1' + b"0" * 5_000 + b', "method": "tools/list"}',
    ],
)
@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
def test_what_is_no_request_is_an_error_of_the_client(api, owner, send, body, era):
    status, _headers, answer = send(api(owner).plain, body=body, **{"mcp-protocol-version": era})
    assert status < 500
    assert answer is None or "error" in answer


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
def test_each_fault_of_the_envelope_has_the_code_of_json_rpc(api, owner, on_site, era):
    """With a short sentence of ours in place of a validator's."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    cases = [
        (b"{", -32700),
        *((json.dumps(each).encode(), -32600) for each in (
            [], [request], "x", 7, {}, request | {"jsonrpc": "1.0"}, request | {"method": 7}, request | {"params": []},
            request | {"id": None}, request | {"id": 1.5}, request | {"id": True}, request | {"id": {}},
        )),
    ]  # fmt: skip
    plain = api(owner).plain

    async def use(site):
        headers = HEADERS | {"mcp-protocol-version": era, "content-type": "application/json"}
        async with site.http(plain) as http:
            return [await http.post("/mcp/", content=body, headers=headers) for body, _code in cases]

    for (body, code), answer in zip(cases, on_site(use), strict=True):
        error = answer.json()
        assert (answer.status_code, error["error"]["code"], error["id"]) == (400, code, None), (body, error)
        assert "pydantic" not in answer.text and len(error["error"]["message"]) < 100, error


@pytest.mark.parametrize("mode", [LEGACY, MODERN])
def test_a_cursor_that_is_none_is_an_invalid_parameter(api, owner, on_site, mode):
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain, mode=mode) as client:
            with pytest.raises(MCPError) as caught:
                await client.list_tools(cursor="x")
            return caught.value

    assert on_site(use).code == -32602


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
def test_a_client_that_leaves_is_not_waited_for(api, owner, workflow, on_site, settings, monkeypatch, era):
    settings.AUTOMATE_MCP_WAIT_SECONDS = 60
    workflow("{name: W, slug: w, agents: {}, triggers: [{kind: manual}], steps: [{kind: stop, key: done}]}")
    plain, asked = api(owner).plain, []
    monkeypatch.setattr(server, "read_pending", lambda *given: asked.append(given) or catalogue.read_pending(*given))
    meta = {
        "io.modelcontextprotocol/protocolVersion": era,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"},
    }
    params = {"name": "w", "arguments": {}, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()

    async def use(site):
        named = HEADERS | {
            "mcp-protocol-version": era, "content-type": "application/json", "host": "testserver",
            "authorization": f"Bearer {plain}", "mcp-method": "tools/call", "mcp-name": "w",
        }  # fmt: skip
        headers = [(name.encode(), value.encode()) for name, value in named.items()]
        scope = {
            "type": "http", "method": "POST", "path": "/mcp/", "raw_path": b"/mcp/", "query_string": b"",
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("testserver", 80), "scheme": "http",
        }  # fmt: skip
        messages = asyncio.Queue()
        messages.put_nowait({"type": "http.request", "body": body, "more_body": False})
        sent = []

        async def send(message):
            sent.append(message)

        call = asyncio.create_task(site.application(scope, messages.get, send))
        async with asyncio.timeout(30):
            while not asked and not call.done():
                await asyncio.sleep(0.05)
        assert not call.done(), sent
        messages.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(call, 10)
        await asyncio.sleep(0.2)
        number = len(asked)
        await asyncio.sleep(2.5)
        return number, sent

    number, _sent = on_site(use)
    assert number == len(asked), "it still asks for the run"


@pytest.mark.matrix
@pytest.mark.parametrize(
    "arguments",
    [{"run": "x" * 32}, {"run": "a\0b" + "0" * 30}, {"run": 7}, {"run": None}, {"x": 1}, {}],
)
def test_wrong_arguments_are_told_in_plain_text(api, owner, send, arguments):
    params = {"name": "get_run", "arguments": arguments}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    status, _headers, answer = send(api(owner).plain, body=call)
    assert status == 200 and answer["result"]["isError"], answer
    assert "server" not in answer["result"]["content"][0]["text"]


def test_a_large_body_is_refused(api, owner, send):
    assert send(api(owner).plain, body=b" " * 5_000_000)[0] == 413


IMPORTED = "import sys; import automate_site.asgi; print(sorted({'mcp', 'mcp_types', 'oauth2_provider', 'ninja'} & set(sys.modules)))"


@pytest.mark.extended
@pytest.mark.process
def test_the_sdk_is_imported_when_an_agent_comes(environment):
    """Starting the site costs neither its time nor its memory."""
    shown = subprocess.run(
        [sys.executable, "-c", IMPORTED], env=environment, capture_output=True, text=True, check=True
    )
    assert "mcp" not in shown.stdout
