"""The results of the tools hold to the schemas that they are listed with."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from automate_api.mcp.tools.catalogue import FIXED
from automate_core.models import ExecutionRun, Workflow

pytestmark = pytest.mark.django_db(transaction=True)

DOCUMENT = {"name": "Two words", "triggers": [{"kind": "manual"}], "steps": [{"kind": "stop", "key": "done"}]}
GREET = """
name: Greet
slug: greet
agents: {description: Greets.}
triggers: [{kind: manual, inputs: [{name: who, kind: text}]}]
steps: [{key: say, action: data.set, inputs: {text: 'Hello {{ event.payload.who }}'}}]
"""
FAILS = """
name: Fails
slug: fails
agents: {description: Fails.}
triggers: [{kind: manual}]
steps: [{key: no, kind: stop, outcome: failed, message: No}]
"""
ASKS = """
name: Asks
slug: asks
agents: {}
triggers: [{kind: manual}]
steps:
  - {kind: approval, key: ask, name: Spend it?, assignees: [colleague], timeout: 3d}
"""


def test_each_result_holds_to_the_schema_of_its_tool(api, workflow, owner, colleague, on_site, worker, settings):
    """Also that of an error; and the schema names every part of it."""
    settings.AUTOMATE_MCP_TOOLS = 1
    for source in (GREET, FAILS, ASKS):
        workflow(source)
    plain = api(owner).plain
    rev = {"rev": 0}

    async def use(site):
        results = []
        async with site.client(plain) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}

            async def call(name, **arguments):
                result = await client.call_tool(name, arguments)
                results.append((name, result))
                return result.structured_content or {}

            await call("search_actions", query="http request", limit=1)
            await call("search_actions", query="wait for two hours")
            await call("search_actions", query="qwxzv")
            listed = await call("search_templates", limit=2)
            await call("search_templates", template=listed["templates"][0]["template"])
            await call("list_workflows", limit=1)
            await call("create_workflow", document=DOCUMENT)
            await call("create_workflow", template="website-check")
            draft = await call("read_draft", workflow="two-words")
            rev["rev"] = draft["revs"]["draft"]
            command = {"do": "add", "kind": "stop", "name": "End"}
            changed = await call("change_draft", workflow="two-words", rev=rev["rev"], commands=[command])
            await call("change_draft", workflow="two-words", rev=rev["rev"], commands=[command])
            await call("change_draft", workflow="two-words", command=command | {"rev": changed["revs"]["structure"]})
            await call("replace_draft", workflow="two-words", rev=rev["rev"], document=DOCUMENT)
            await call("replace_draft", workflow="two-words", rev=rev["rev"] + 9, document=DOCUMENT)
            await call("validate_draft", workflow="two-words")
            await call("validate_draft", workflow="website-check")
            await call("dry_run", workflow="greet", payload={"who": "Ada"})
            await call("dry_run", workflow="website-check", payload={})
            await call("search_workflows")
            started = await call("start_workflow", workflow="greet", inputs={"who": "Ada"})
            failed = await call("start_workflow", workflow="fails")
            waits = await call("start_workflow", workflow="asks")
            for each in (started, failed, waits):
                await call("get_run", run=each["run"])
                await call("explain_run", run=each["run"])
            await call("cancel_run", run=waits["run"])
            await call("list_runs", limit=1)
            await call("list_runs", cursor="x")
        return tools, results

    tools, results = on_site(use)
    assert {name for name, _ in results} == set(FIXED)
    assert ExecutionRun.objects.exists() and Workflow.objects.filter(slug="two-words").exists()
    structured = [(name, result) for name, result in results if result.structured_content is not None]
    assert {name for name, _ in structured} == set(FIXED)
    for name, result in structured:
        schema = tools[name].output_schema
        Draft202012Validator(schema).validate(result.structured_content)
        _check_names(schema, result.structured_content, name)


def _check_names(schema, value, place):
    """Each part of a value is described, down to where any value may be."""
    if isinstance(value, list):
        for each in value:
            _check_names(schema.get("items", {}), each, place)
    elif isinstance(value, dict) and place.rpartition(".")[2] not in {"inputs", "outputs", "fields"}:
        properties = schema.get("properties")
        for name in value if properties else ():
            assert name in properties, f"{place}.{name} is in no schema"
            _check_names(properties[name], value[name], f"{place}.{name}")
