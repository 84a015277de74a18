"""A declared output for agents that the last step cannot give is warned of, as far as its types are known."""

from __future__ import annotations

import pytest

from automate_authoring.definitions.yaml_files import read_workflow
from automate_authoring.publishing.agent_output import agent_output_warnings

SCHEMA = "{type: object, properties: {ok: {type: boolean}, count: {type: number}}, required: [ok]}"


@pytest.mark.parametrize(
    ("steps", "warned"),
    [
        ("[{kind: approval, key: ask, assignees: [olga], timeout: 1d}]", ["ok"]),
        ("[{key: s, action: data.set, inputs: {ok: true}}]", []),
        ("[{key: s, action: data.set, inputs: {ok: 'yes'}}]", ["ok"]),
        ("[{key: s, action: data.set, inputs: {ok: true, count: many}}]", ["count"]),
        ("[{key: s, action: data.set, inputs: {ok: '{{ event.payload.ok }}', count: 5}}]", []),
        ("[{key: s, action: data.set, inputs: {}}, {kind: stop, key: end, disabled: true}]", ["ok"]),
        ("[{key: s, action: data.set, inputs: {}}, {kind: reply, key: r, body: {}}]", []),
        ("[{key: s, action: http.request, inputs: {}}]", []),
        ("[]", []),
    ],
)
def test_what_the_last_step_cannot_give_is_warned_of(steps, warned):
    agents = f"{{output: {SCHEMA}}}"
    read = read_workflow(f"name: A\nslug: a\nagents: {agents}\ntriggers: [{{kind: manual}}]\nsteps: {steps}")
    found = list(agent_output_warnings(read))
    assert [name for name in ("ok", "count") if any(f" {name} " in str(each.reason) for each in found)] == warned
    assert all((each.level, each.field) == ("warning", "agents.output") for each in found)
