"""Every tool, asked by everybody: a tool without a row fails."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.utils import timezone
from guardian.shortcuts import assign_perm
from mcp import MCPError

from automate_api.mcp.tools.catalogue import FIXED
from automate_api.models import ApiToken
from automate_api.tokens.issuing import revoke_token
from automate_core.models import ExecutionRun
from automate_core.states import RunStatus
from automate_governance.models import AuditEntry
from tests.support.matrix import representatives

pytestmark = pytest.mark.django_db(transaction=True)

NOTE = """
name: Note
slug: note
agents: {description: Notes.}
triggers: [{kind: manual, inputs: [{name: who, kind: text}]}]
steps: [{key: say, name: Say, action: data.set, inputs: {text: Hello}}]
"""
WORKFLOW = "note"  #: the tool of the workflow itself
WORKFLOW_ARGUMENTS = {"workflow": "note"}
DOCUMENT = {"name": "Note", "triggers": [{"kind": "manual"}], "steps": [{"kind": "stop", "key": "done"}]}
RENAME = {"do": "rename", "rev": 1, "key": "say", "name": "Greet"}
OPEN = "open"  #: to everybody with the scope: it is about nobody's workflow
VIEW, RUN, CHANGE, TEST = {"view"}, {"run"}, {"change", "view"}, {"view", "change", "view_payload"}
#: tool -> (arguments, the verbs that a colleague needs on the workflow, a scope without which there is no such tool)
TABLE = {
    WORKFLOW: ({"who": "Ada"}, RUN, "workflow:run"),
    "search_workflows": ({"query": "note"}, OPEN, "workflow:run"),
    "start_workflow": (WORKFLOW_ARGUMENTS, RUN, "workflow:run"),
    "get_run": ({"run": "RUN"}, VIEW, "workflow:view"),
    "list_runs": (WORKFLOW_ARGUMENTS, VIEW, "workflow:view"),
    "cancel_run": ({"run": "RUN"}, {"view", "run"}, "workflow:run"),
    "list_workflows": ({"query": "note"}, OPEN, "workflow:view"),
    "create_workflow": ({"name": "Fresh"}, OPEN, "workflow:add"),
    "replace_draft": (WORKFLOW_ARGUMENTS | {"rev": 1, "document": DOCUMENT}, CHANGE, "workflow:change"),
    "search_actions": ({"query": "http"}, OPEN, "workflow:change"),
    "search_templates": ({}, OPEN, "workflow:change"),
    "read_draft": (WORKFLOW_ARGUMENTS, VIEW, "workflow:change"),
    "change_draft": (WORKFLOW_ARGUMENTS | {"command": RENAME}, CHANGE, "workflow:change"),
    "validate_draft": (WORKFLOW_ARGUMENTS, VIEW, "workflow:change"),
    "dry_run": (WORKFLOW_ARGUMENTS, TEST, "workflow:view_payload"),
    "explain_run": ({"run": "RUN"}, VIEW, "workflow:view"),
}
ALL = ("workflow:view", "workflow:run", "workflow:add", "workflow:change", "workflow:view_payload")


def test_every_tool_has_a_row():
    assert TABLE.keys() == {WORKFLOW, *FIXED}


@pytest.fixture
def made(workflow, owner, settings):
    """A published workflow that runs as nobody in particular, with a run that goes on."""
    settings.AUTOMATE_MCP_WAIT_SECONDS = 0
    found = workflow(NOTE)
    ExecutionRun.objects.create(
        workflow=found, version=found.published, status=RunStatus.WAITING, trace_id=uuid.uuid4().hex
    )
    return found


@pytest.fixture
def ask(on_site):
    """Call a tool with a token: "ok", "refused" (in plain text), "unknown" (no such tool) or the HTTP status."""

    def ask(plain, tool):
        arguments = dict(TABLE[tool][0])
        if arguments.get("run") == "RUN":
            arguments["run"] = str(ExecutionRun.objects.order_by("id").first().pk)

        async def use(site):
            async with site.http(plain) as http:
                headers = {"mcp-protocol-version": "2025-11-25", "accept": "application/json, text/event-stream"}
                params = {"name": tool, "arguments": arguments}
                body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
                answer = await http.post("/mcp/", json=body, headers=headers)
                return answer.status_code, answer.json()

        status, answer = on_site(use)
        if status != 200:
            return status
        if "error" in answer:
            assert answer["error"]["message"].startswith("Unknown tool"), answer
            return "unknown"
        return "refused" if answer["result"].get("isError") else "ok"

    return ask


@pytest.mark.parametrize("tool", representatives(TABLE, every=8))
def test_who_may_call_a_tool(api, ask, made, owner, colleague, stranger, tool):
    _arguments, verbs, scope = TABLE[tool]
    nobody = "ok" if verbs == OPEN else "unknown" if tool == WORKFLOW else "refused"
    assert ask(api(stranger, *ALL).plain, tool) == nobody
    assert ask("dat_unknown", tool) == 401
    assert ask(api(owner, *set(ALL) - {scope}).plain, tool) == "unknown"
    expired, revoked = api(owner, *ALL), api(owner, *ALL)
    ApiToken.objects.filter(pk=expired.token.pk).update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    revoke_token(revoked.token, by=None)
    assert (ask(expired.plain, tool), ask(revoked.plain, tool)) == (401, 401)
    elsewhere = api(owner, *ALL, workflows=[])
    assert ask(elsewhere.plain, tool) == ("refused" if tool == "create_workflow" else nobody), "it makes no new ones"
    client = api(colleague, *ALL)
    for verb in verbs if verbs != OPEN else ():
        assert ask(client.plain, tool) == nobody, "not yet"
        assign_perm(f"{verb}_workflow", colleague, made)
    expected = "refused" if tool == "dry_run" else "ok"  # the workflow runs as its owner, not as the colleague
    assert ask(client.plain, tool) == expected


@pytest.mark.parametrize("tool", representatives(TABLE, every=8))
def test_the_owner_may_call_every_tool(api, ask, made, owner, tool):
    assert ask(api(owner, *ALL).plain, tool) == "ok"


@pytest.mark.parametrize("tool", representatives(TABLE, every=5))
def test_a_permission_that_was_removed_a_second_ago_is_gone(api, ask, made, owner, tool):
    _arguments, verbs, _scope = TABLE[tool]
    if verbs == OPEN:
        pytest.skip("it needs no permission")
    client = api(owner, *ALL)
    owner.groups.clear()
    owner.user_permissions.clear()
    assert ask(client.plain, tool) == ("unknown" if tool == WORKFLOW else "refused")
    type(owner).objects.filter(pk=owner.pk).update(is_active=False)
    assert ask(client.plain, tool) == 401


def test_a_list_holds_what_the_token_may_call(api, made, owner, colleague, on_site):
    tokens = {
        "all": api(owner, *ALL).plain,
        "runs": api(owner, "workflow:view", "workflow:run").plain,
        "builds": api(owner, "workflow:view", "workflow:change").plain,
        "none": api(owner, "connection:view").plain,
        "colleague": api(colleague, *ALL).plain,
    }

    async def use(site):
        found = {}
        for who, plain in tokens.items():
            async with site.client(plain) as client:
                found[who] = {tool.name for tool in (await client.list_tools()).tools}
        return found

    found = on_site(use)
    gateway = {"search_workflows", "start_workflow"}
    building = {"list_workflows", "search_actions", "search_templates"}
    building |= {"read_draft", "change_draft", "replace_draft", "validate_draft"}
    assert found["all"] == TABLE.keys() - gateway, "they are listed where there are more workflows than in the list"
    assert found["runs"] == {WORKFLOW, "list_workflows", "get_run", "list_runs", "cancel_run", "explain_run"}
    assert found["builds"] == building | {"get_run", "list_runs", "explain_run"}
    assert found["none"] == set()
    assert found["colleague"] == found["all"] - {WORKFLOW}
    assert not any("publish" in name for names in found.values() for name in names)


def test_an_unknown_tool_is_recorded(api, made, owner, on_site):
    plain = api(owner, *ALL).plain

    async def use(site):
        async with site.client(plain) as client:
            for name in ("publish", "", "x" * 500, "note\0"):
                with pytest.raises(MCPError, match="Unknown tool"):
                    await client.call_tool(name, {})

    on_site(use)
    calls = AuditEntry.objects.filter(verb="token.tool_called").order_by("id")
    assert [entry.changes["result"] for entry in calls] == ["unknown"] * len(calls)
