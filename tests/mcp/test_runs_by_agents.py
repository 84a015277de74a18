"""An agent lists tools, starts workflows, waits over an approval that a person decides, and reads the result."""

from __future__ import annotations

import asyncio
import json
import uuid

import mcp_types as types
import pytest
from django.db import connection
from mcp import MCPError

from automate_core.models import Event, ExecutionRun, Wait
from automate_core.runs.waits import approvals
from automate_governance.models import AuditEntry
from tests.support.mcp import (
    LEGACY,
    MODERN,
    CancelTask,
    GetTask,
    Task,
    TaskRequestParams,
    Tasks,
    TaskState,
    UpdateParams,
    UpdateTask,
)

pytestmark = pytest.mark.django_db(transaction=True)

GREET = """
name: Greet
slug: greet
agents: {description: Greets somebody., output: {type: object, properties: {text: {type: string}}}}
triggers:
  - kind: manual
    key: by_hand
    inputs:
      - {name: who, label: Who, kind: text, required: true, help: A first name.}
      - {name: loud, kind: boolean}
      - {name: tone, kind: choice, choices: [kind, curt]}
      - {name: on, kind: date}
steps: [{key: say, action: data.set, inputs: {text: 'Hello {{ event.payload.who }}'}}]
"""
MISMATCH = """
name: Mismatch
slug: mismatch
agents: {description: Says a number., output: {type: object, properties: {ok: {type: integer}}, required: [ok]}}
triggers: [{kind: manual, inputs: [{name: v, kind: text}]}]
steps: [{key: s, action: data.set, inputs: {ok: '{{ event.payload.v }}'}}]
"""
SPEND = """
name: Spend
slug: spend
agents: {}
triggers: [{kind: manual, inputs: [{name: amount, kind: number, required: true}]}]
steps:
  - {kind: approval, key: ask, name: Spend it?, assignees: [colleague], timeout: 3d}
  - {key: book, action: data.set, inputs: {booked: '{{ event.payload.amount }}'}}
"""


@pytest.mark.matrix
@pytest.mark.parametrize("mode", [LEGACY, MODERN, "auto"])
def test_both_eras_list_and_call_tools(api, workflow, owner, on_site, worker, mode):
    workflow(GREET)
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain, mode=mode) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            result = await client.call_tool("greet", {"who": "Ada", "tone": "kind"})
            return tools, result

    tools, result = on_site(use)
    greet = tools["greet"]
    assert (greet.title, greet.description) == ("Greet", "Greets somebody.")
    assert greet.input_schema == {
        "type": "object",
        "properties": {
            "who": {"type": "string", "title": "Who", "description": "A first name."},
            "loud": {"type": "boolean"},
            "tone": {"type": "string", "enum": ["kind", "curt"]},
            "on": {"type": "string", "format": "date"},
        },
        "additionalProperties": False,
        "required": ["who"],
    }
    assert greet.output_schema["properties"]["output"]["properties"] == {"text": {"type": "string"}}
    assert greet.annotations.read_only_hint and not greet.annotations.open_world_hint
    assert not result.is_error, result
    run = ExecutionRun.objects.get()
    assert result.structured_content["run"] == str(run.pk) == str(run.event_id)
    assert result.structured_content["output"] == {"text": "Hello Ada"}
    assert json.loads(result.content[0].text) == result.structured_content
    assert (Event.objects.get().source, run.origin, run.status) == ("mcp:greet", "mcp", "succeeded")


def test_a_call_is_in_the_audit_trail_with_its_token(api, workflow, owner, on_site, worker):
    workflow(GREET)
    made = api(owner)

    async def use(site):
        async with site.client(made.plain) as client:
            await client.call_tool("greet", {"who": "Ada"})
            await client.call_tool("list_runs", {})
            await client.call_tool("greet", {"who": 7})

    on_site(use)
    calls = AuditEntry.objects.filter(verb="token.tool_called").order_by("id")
    run = str(ExecutionRun.objects.get().pk)
    assert [entry.changes for entry in calls] == [
        {"tool": "greet", "result": "started", "run": run},
        {"tool": "list_runs", "result": "ok"},
        {"tool": "greet", "result": "error"},
    ]
    assert {(entry.actor, entry.object_id, entry.source) for entry in calls} == {
        ("owner", str(made.token.pk), "api"),
    }
    assert AuditEntry.objects.filter(verb="run.payload_viewed", actor="owner").exists()


def test_wrong_inputs_are_told_in_plain_text(api, workflow, owner, on_site):
    workflow(GREET)
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain) as client:
            return [
                await client.call_tool("greet", inputs)
                for inputs in ({}, {"who": ["Ada"]}, {"who": "Ada", "age": 3}, {"who": "A\0da"})
            ]

    results = on_site(use)
    assert all(result.is_error and result.structured_content is None for result in results)
    told = [result.content[0].text for result in results]
    assert told[0] == "who is required."
    assert "There is no field 'age'" in told[2]
    assert not Event.objects.exists()


def test_a_repeated_key_starts_one_run(api, workflow, owner, on_site, worker):
    workflow(GREET)
    plain = api(owner).plain
    meta = {"django-automate/idempotencyKey": "one"}

    async def use(site):
        async with site.client(plain) as client:
            return [await client.call_tool("greet", {"who": "Ada"}, meta=meta) for _ in range(2)]

    first, second = on_site(use)
    assert first.structured_content == second.structured_content
    assert ExecutionRun.objects.count() == 1


def test_a_repeated_key_with_other_arguments_is_an_error(api, workflow, owner, on_site, worker, settings):
    workflow(GREET)
    plain = api(owner).plain
    meta = {"django-automate/idempotencyKey": "one"}
    started = {"workflow": "greet", "inputs": {"who": "Eve"}, "idempotency_key": "one"}

    async def use(site):
        async with site.client(plain) as client:
            first = await client.call_tool("greet", {"who": "Ada"}, meta=meta)
            others = [
                await client.call_tool("greet", {"who": "Eve"}, meta=meta),
                await client.call_tool("greet", {"who": "Ada", "unknown": 1}, meta=meta),
                await client.call_tool("start_workflow", started),
            ]
            return first, others, await client.call_tool("greet", {"who": "Ada"}, meta=meta)

    settings.AUTOMATE_MCP_TOOLS = 1
    first, others, again = on_site(use)
    assert again.structured_content == first.structured_content
    assert [each.is_error for each in others[:2]] == [True, True]
    assert "used for other inputs" in others[0].content[0].text
    assert ExecutionRun.objects.count() == 1


@pytest.mark.extended
def test_a_key_that_is_not_valid_is_refused(api, workflow, owner, on_site, settings):
    workflow(GREET)
    plain = api(owner).plain
    settings.AUTOMATE_MCP_TOOLS = 0
    keys = ["", "k" * 129, "k" * 5000, "ü", "a\0b", 7, ["a"], False]

    async def use(site):
        async with site.client(plain) as client:
            calls = [
                await client.call_tool("greet", {"who": "Ada"}, meta={"django-automate/idempotencyKey": key})
                for key in keys
            ]
            started = {"workflow": "greet", "inputs": {"who": "Ada"}}
            return calls + [
                await client.call_tool("start_workflow", started | {"idempotency_key": key}) for key in keys
            ]

    results = on_site(use)
    assert all(result.is_error for result in results)
    assert {result.content[0].text for result in results[: len(keys)]} == {
        "The Idempotency-Key must have 1 to 128 ASCII characters."
    }
    assert not Event.objects.exists()


def test_a_tool_that_asks_a_person_is_not_read_only(api, workflow, owner, on_site):
    workflow(SPEND)
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain) as client:
            return {tool.name: tool for tool in (await client.list_tools()).tools}

    hints = on_site(use)["spend"].annotations
    assert (hints.read_only_hint, hints.idempotent_hint, hints.destructive_hint) == (False, False, False)


@pytest.mark.extended
@pytest.mark.parametrize("mode", [LEGACY, MODERN])
def test_a_client_without_tasks_gets_the_page_where_a_person_decides(
    api, workflow, owner, colleague, on_site, worker, mode
):
    workflow(SPEND)
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain, mode=mode) as client:
            asked = await client.call_tool("spend", {"amount": 5})
            run = asked.structured_content["run"]
            await asyncio.to_thread(decide, colleague)
            return asked, await until_ended(client, run)

    asked, ended = on_site(use)
    wait = Wait.objects.get()
    [approval] = asked.structured_content["approvals"]
    assert (asked.structured_content["status"], asked.is_error) == ("waiting", False)
    assert approval == {"title": "Spend it?", "url": f"http://127.0.0.1:8000/admin/automate/approvals/{wait.pk}/"}
    assert approval["url"] in asked.content[0].text
    assert ended.structured_content["output"] == {"booked": 5}


def decide(person):
    """Approve, on a connection of this thread."""
    try:
        approvals.decide_approval(Wait.objects.get(kind="approval"), by=person, outcome="approved")
    finally:
        connection.close()


async def until_ended(client, run):
    while True:
        found = await client.call_tool("get_run", {"run": run})
        if found.structured_content["status"] in {"succeeded", "failed", "cancelled"}:
            return found
        await asyncio.sleep(0.1)


def test_an_output_that_breaks_its_schema_is_an_error_with_the_run(api, workflow, owner, on_site, worker):
    workflow(MISMATCH)
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain) as client:
            await client.list_tools()  # the client checks results against what is listed
            return await client.call_tool("mismatch", {"v": "many"})

    result = on_site(use)
    run = ExecutionRun.objects.get()
    assert result.is_error and run.status == "succeeded"
    assert result.structured_content["run"] == str(run.pk) and "output" not in result.structured_content
    assert result.structured_content["other_output"] == {"ok": "many"}
    said = result.content[0].text
    assert str(run.pk) in said and "ok" in said and "Do not start it again" in said


def test_the_output_of_a_task_that_breaks_its_schema_is_an_error_with_the_run(
    api, workflow, owner, colleague, on_site, worker
):
    ask = "{kind: approval, key: ask, assignees: [colleague], timeout: 3d}"
    workflow(MISMATCH.replace("steps: [", f"steps: [{ask}, "))
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain, extensions=[Tasks()], elicitation_callback=open_page) as client:
            task = await client.session.call_tool("mismatch", {"v": "many"}, allow_claimed=True)
            await task_after(client, task.task_id, "working")
            await asyncio.to_thread(decide, colleague)
            return await task_after(client, task.task_id, "input_required", "working")

    ended = on_site(use)
    run, result = ExecutionRun.objects.get(), ended.result
    assert (run.status, ended.status, result["isError"]) == ("succeeded", "completed", True)
    assert result["structuredContent"]["run"] == str(run.pk) and "output" not in result["structuredContent"]
    assert result["structuredContent"]["other_output"] == {"ok": "many"}
    assert str(run.pk) in ended.status_message and "Do not start it again" in result["content"][0]["text"]


def test_a_run_is_a_task_and_an_approval_its_input(api, workflow, owner, colleague, on_site, worker):
    workflow(SPEND)
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain, extensions=[Tasks()], elicitation_callback=open_page) as client:
            task = await client.session.call_tool("spend", {"amount": 5}, allow_claimed=True)
            asked = await task_after(client, task.task_id, "working")
            [key] = asked.input_requests
            answer = {key: {"action": "accept", "content": {"outcome": "approved"}}}
            params = UpdateParams(task_id=task.task_id, input_responses=answer)
            await client.session.send_request(UpdateTask(params=params), types.Result)
            await asyncio.sleep(1)
            still = await get_task(client, task.task_id)
            await asyncio.to_thread(decide, colleague)
            return task, asked, still, await task_after(client, task.task_id, "input_required", "working")

    task, asked, still, ended = on_site(use)
    run, wait = ExecutionRun.objects.get(), Wait.objects.get()
    assert isinstance(task, Task) and task.task_id == str(run.pk)
    url = f"http://127.0.0.1:8000/admin/automate/approvals/{wait.pk}/"
    assert asked.status == still.status == "input_required", "what the client sends decides nothing"
    assert asked.input_requests[str(wait.pk)] == {
        "method": "elicitation/create",
        "params": {"mode": "url", "message": "Decide this approval on its page: Spend it?", "url": url},
    }
    assert (ended.status, ended.result["structuredContent"]["output"]) == ("completed", {"booked": 5})
    assert wait.decided_by.get_username() == "colleague"


async def open_page(context, params):
    raise AssertionError("requests of tasks come by tasks/get")


async def get_task(client, task_id):
    return await client.session.send_request(GetTask(params=TaskRequestParams(task_id=task_id)), TaskState)


async def task_after(client, task_id, *states):
    """The task once it is in none of these states."""
    while (state := await get_task(client, task_id)).status in states:
        await asyncio.sleep(0.1)
    return state


def test_a_client_that_opens_no_pages_reads_the_url_in_words(api, workflow, owner, colleague, on_site, worker):
    workflow(SPEND)
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain, extensions=[Tasks()]) as client:
            task = await client.session.call_tool("spend", {"amount": 5}, allow_claimed=True)
            while "/approvals/" not in ((state := await get_task(client, task.task_id)).status_message or ""):
                await asyncio.sleep(0.1)
            return state

    assert on_site(use).status == "working"


def test_a_task_is_cancelled_and_an_unknown_one_is_an_error(api, workflow, owner, colleague, stranger, on_site, worker):
    workflow(SPEND)
    mine, theirs = api(owner).plain, api(stranger).plain

    async def use(site):
        async with (
            site.client(mine, extensions=[Tasks()]) as client,
            site.client(theirs, extensions=[Tasks()]) as other,
        ):
            task = await client.session.call_tool("spend", {"amount": 5}, allow_claimed=True)
            for who, task_id in ((other, task.task_id), (client, str(uuid.uuid4())), (client, "x")):
                for request in (GetTask, CancelTask):
                    with pytest.raises(MCPError, match="There is no such task"):
                        asked = request(params=TaskRequestParams(task_id=task_id))
                        await who.session.send_request(asked, types.Result)
            cancelled = CancelTask(params=TaskRequestParams(task_id=task.task_id))
            for _ in range(2):
                await client.session.send_request(cancelled, types.Result)
            return await get_task(client, task.task_id)

    assert on_site(use).status == "cancelled"


def test_a_client_without_the_extension_has_no_tasks(api, workflow, owner, on_site):
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain) as client:
            with pytest.raises(MCPError) as refused:
                await get_task(client, str(uuid.uuid4()))
            return refused.value.error.code

    assert on_site(use) == types.MISSING_REQUIRED_CLIENT_CAPABILITY


def test_a_failed_run_is_an_error_with_its_reason(api, workflow, owner, on_site, worker):
    workflow(GREET.replace("Hello {{ event.payload.who }}", "{{ event.payload.nobody }}"))
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain) as client:
            result = await client.call_tool("greet", {"who": "Ada"})
            run = result.structured_content["run"]
            return result, await client.call_tool("explain_run", {"run": run})

    result, explained = on_site(use)
    assert result.is_error and "nobody" in result.content[0].text and "The run failed." in result.content[0].text
    assert explained.structured_content["failed_step"]["key"] == "say"
    assert "nobody" in explained.structured_content["failed_step"]["attempts"][-1]["error"]["message"]


def test_without_a_worker_the_call_returns_after_its_limit(api, workflow, owner, on_site, settings):
    settings.AUTOMATE_MCP_WAIT_SECONDS = 0.5
    workflow(GREET)
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain) as client:
            return await client.call_tool("greet", {"who": "Ada"})

    result = on_site(use)
    assert (result.is_error, result.structured_content["status"]) == (False, "queued")
    assert "get_run" in result.content[0].text


def test_payloads_need_their_permission(api, workflow, owner, on_site, worker):
    workflow(GREET)
    plain = api(owner, "workflow:view", "workflow:run").plain

    async def use(site):
        async with site.client(plain) as client:
            return await client.call_tool("greet", {"who": "Ada"})

    result = on_site(use)
    assert result.structured_content["status"] == "succeeded" and "output" not in result.structured_content
    assert not AuditEntry.objects.filter(verb="run.payload_viewed").exists()


@pytest.mark.extended
def test_further_workflows_are_found_and_started_by_name(api, workflow, owner, on_site, worker, settings):
    settings.AUTOMATE_MCP_TOOLS = 1
    workflow(GREET)
    workflow(SPEND)
    long = "w" * 90
    workflow(GREET.replace("slug: greet", f"slug: {long}").replace("name: Greet", "name: Zoo"))
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            found = await client.call_tool("search_workflows", {"query": "greets"})
            inputs = {"workflow": long, "inputs": {"who": "Ada"}, "idempotency_key": "1"}
            return names, found, [await client.call_tool("start_workflow", inputs) for _ in range(2)]

    names, found, started = on_site(use)
    assert names[:1] == ["greet"] and {"search_workflows", "start_workflow"} <= set(names) and "spend" not in names
    assert [each["workflow"] for each in found.structured_content["workflows"]] == ["greet", long]
    assert started[0].structured_content == started[1].structured_content
    assert (started[0].structured_content["workflow"], ExecutionRun.objects.count()) == (long, 1)


def test_a_long_slug_is_a_tool_under_a_short_name(api, workflow, owner, on_site, worker):
    workflow(GREET.replace("slug: greet", f"slug: {'w' * 90}"))
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain) as client:
            name = (await client.list_tools()).tools[0].name
            return name, await client.call_tool(name, {"who": "Ada"})

    name, result = on_site(use)
    assert len(name) == 64 and not result.is_error


def test_what_a_workflow_replies_is_its_output(api, workflow, owner, on_site, worker):
    workflow(GREET.replace("steps: [", "steps: [{kind: reply, key: answer, body: {said: '{{ event.payload.who }}'}}, "))
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain) as client:
            return await client.call_tool("greet", {"who": "Ada"})

    assert on_site(use).structured_content["output"] == {"said": "Ada"}


ASK = """
name: Ask
slug: ask
triggers: [{kind: manual}]
steps: [{kind: approval, key: ask, name: Spend it?, assignees: [colleague], timeout: 3d}]
"""
CALLS = """
name: Calls
slug: calls
agents: {}
triggers: [{kind: manual}]
steps: [{kind: workflow, key: sub, workflow: ask}]
"""


@pytest.mark.extended
def test_the_approval_of_a_sub_run_is_input_of_the_task(api, workflow, owner, colleague, on_site, worker):
    workflow(ASK)
    workflow(CALLS)
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain, extensions=[Tasks()], elicitation_callback=open_page) as client:
            task = await client.session.call_tool("calls", {}, allow_claimed=True)
            asked = await task_after(client, task.task_id, "working")
            read = await client.call_tool("get_run", {"run": task.task_id})
            await asyncio.to_thread(decide, colleague)
            return asked, read, await task_after(client, task.task_id, "input_required", "working")

    asked, read, ended = on_site(use)
    wait = Wait.objects.get(kind="approval")
    url = f"http://127.0.0.1:8000/admin/automate/approvals/{wait.pk}/"
    assert (asked.status, asked.input_requests[str(wait.pk)]["params"]["url"]) == ("input_required", url)
    assert "Spend it?" in asked.input_requests[str(wait.pk)]["params"]["message"]
    assert read.structured_content["approvals"] == [{"title": "Spend it?", "url": url}]
    assert read.structured_content["workflow"] == "calls" and ended.status == "completed"


def test_a_start_is_cancelled_before_a_worker_takes_it(api, workflow, owner, on_site, settings):
    settings.AUTOMATE_MCP_WAIT_SECONDS = 0.5
    workflow(GREET)
    made = api(owner)

    async def use(site):
        async with site.client(made.plain) as client:
            queued = await client.call_tool("greet", {"who": "Ada"})
            run = queued.structured_content["run"]
            return queued, [await client.call_tool("cancel_run", {"run": run, "reason": "No"}) for _ in range(2)]

    queued, (cancelled, again) = on_site(use)
    assert queued.structured_content["status"] == "queued"
    assert (cancelled.is_error, cancelled.structured_content["status"]) == (False, "cancelled")
    assert again.is_error and "already ended" in again.content[0].text
    run = ExecutionRun.objects.get()
    assert (run.status, run.origin, run.error["message"]) == ("cancelled", "mcp", "Cancelled by owner: No")
    assert AuditEntry.objects.get(verb="run.cancelled").credential == str(made.token)


@pytest.mark.parametrize("may_answer", [True, False])
def test_a_run_says_that_it_waits_for_a_callback(api, workflow, owner, drain, on_site, client, may_answer):
    wait = "{kind: wait, key: answer, callback: true, timeout: 1h}"
    workflow(f"{{name: C, slug: c, triggers: [{{kind: manual}}], steps: [{wait}]}}")
    run = api(owner).post("workflows/c/runs").json()["id"]
    drain()
    scopes = ("workflow:view", "workflow:view_payload", *(["workflow:run"] if may_answer else []))
    plain = api(owner, *scopes).plain

    async def use(site):
        async with site.client(plain) as session:
            return await session.call_tool("get_run", {"run": run})

    [found] = on_site(use).structured_content["waits"]
    assert (found["kind"], found["step"], "answer_url" in found) == ("callback", "answer", may_answer)
    if may_answer:
        assert client.post(found["answer_url"], {}, content_type="application/json").status_code == 202
