"""The commands of docs/api.md work as they stand there."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.django_db

GUIDE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SITE = "https://automate.example.com"
ORDERS = """
name: Orders
slug: orders
triggers: [{kind: manual, key: by_hand, inputs: [{name: order, label: Order, kind: text, required: true}]}]
steps:
  - {key: fetch, action: http.request, inputs: {method: GET, url: 'https://127.0.0.1/x'}}
  - {key: ask, kind: approval, assignees: [owner], timeout: 2d, outcomes: [{key: approved, name: Yes}, {key: rejected, name: No}]}
  - {kind: stop, key: done}
"""


def _commands():
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", GUIDE, re.DOTALL | re.MULTILINE)
    return [block.replace("\\\n", " ").strip() for block in blocks if block.strip().startswith("curl")]


def _sent(client, command, names):
    """The answer to a curl command: its method, address, headers and body."""
    for name, value in names.items():
        command = command.replace(name, value)
    _, *words = shlex.split(command)
    method, headers, body, address = "GET", {}, b"", ""
    while words:
        match words:
            case ["-X", method, *words]:
                pass
            case ["-H", header, *words]:
                name, _, value = header.partition(": ")
                headers[name] = value
            case ["-d", text, *words]:
                body = text.encode()
            case ["-N", *words]:  # output without a buffer
                pass
            case [address, *words]:
                assert address.startswith(SITE)
    kind = headers.pop("Content-Type", "application/octet-stream")
    return client.generic(method, address.removeprefix(SITE), body, content_type=kind, headers=headers)


def test_every_command_of_the_guide_is_answered(api, workflow, owner, client):
    made = workflow(ORDERS)
    names = {
        "$AUTOMATE_TOKEN": api(
            owner,
            "workflow:view",
            "workflow:view_payload",
            "workflow:run",
            "workflow:change",
            "connection:view",
            "connection:add",
            "storedsecret:add",
            "storedsecret:use",
        ).plain,
        '"12"': f'"{made.rev}"',
        """"$(jq -Rs '{yaml: .}' orders.yaml)\"""": shlex.quote(json.dumps({"yaml": ORDERS})),
    }
    commands = _commands()
    assert len(commands) >= 4
    for command in commands:
        answer = _sent(client, command, names)
        assert answer.status_code in {200, 201, 202}, (command, answer.content)
        if answer.status_code == 202:
            names["$RUN"] = answer.json()["id"]
    assert "$RUN" in names


def test_the_guide_names_every_scope():
    from automate_api.tokens.scopes import all_scopes

    table = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", GUIDE, re.MULTILINE))
    named = {f"{kind}:{verb}" for kind, text in table.items() for verb in re.findall(r"`(\w+)`", text)}
    assert named == set(all_scopes())


def test_the_pattern_finds_tokens(api, owner):
    [pattern] = re.findall(r"```text\n(dat_.*)\n```", GUIDE)
    assert re.fullmatch(pattern, api(owner).plain)
