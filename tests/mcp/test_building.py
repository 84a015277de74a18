"""An agent builds: it finds actions, changes drafts by commands with their revisions, tests and asks why a run failed."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from automate_api.mcp.callers import call_in_thread
from automate_authoring.drafts import requests
from automate_authoring.test_runs import samples
from automate_connectors.models import Connection
from automate_core.models import ExecutionRun, StepSample, Workflow
from automate_governance.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)

NOTE = """
name: Note
slug: note
triggers: [{kind: manual, inputs: [{name: who, kind: text}]}]
steps: [{key: say, name: Say, action: data.set, inputs: {text: Hello}}]
"""


@pytest.fixture
def build(api, owner, on_site):
    """Call tools in turn, each made of the result of the last one: the results."""

    plain = api(owner).plain

    def calls(*steps):
        async def use(site):
            results = []
            async with site.client(plain) as client:
                for step in steps:
                    made = await call_in_thread(step, results[-1].structured_content) if callable(step) else step
                    name, arguments = made
                    results.append(await client.call_tool(name, arguments))
            return results

        return on_site(use)

    return calls


def test_actions_and_templates_are_found_by_words(build):
    actions, templates, one = build(
        ("search_actions", {"query": "http request"}),
        ("search_templates", {"limit": 3}),
        lambda last: ("search_templates", {"template": last["templates"][0]["template"]}),
    )
    request = actions.structured_content["actions"][0]
    assert request["action"] == "http.request"
    assert "url" in {field["name"] for field in request["inputs"] if field.get("required")}
    assert len(templates.structured_content["templates"]) == 3
    assert one.structured_content["document"]["steps"]


def test_steps_are_found_by_sentences_and_page_by_page(build):
    wait, mail, more, nothing, wrong = build(
        ("search_actions", {"query": "wait for two hours"}),
        ("search_actions", {"query": "send mail to a customer", "limit": 3}),
        lambda last: ("search_actions", {"query": "send mail to a customer", "limit": 3, "cursor": last["next"]}),
        ("search_actions", {"query": "qwxzv"}),
        ("search_actions", {"cursor": "x"}),
    )
    first = wait.structured_content["actions"][0]
    assert first["kind"] == "wait" and {"name": "timeout"} in first["fields"], first
    keys = [[each.get("action") for each in page.structured_content["actions"]] for page in (mail, more)]
    assert "email.send" in keys[0] and not {*keys[0]} & {*keys[1]} - {None}
    assert nothing.structured_content["found"] == 0 and "http request" in nothing.structured_content["hint"]
    assert wrong.is_error


def test_an_agent_builds_from_nothing_by_tools_alone(build, owner, worker):
    """The builder's path: list, create, find actions, edit, validate, test, and the page where a person publishes."""
    nothing, made, found, edited, read, checked, tested, listed = build(
        ("list_workflows", {}),
        ("create_workflow", {"name": "Thank a customer"}),
        ("search_actions", {"query": "set values"}),
        lambda _: ("change_draft", {"workflow": "thank-a-customer", "rev": Workflow.objects.get().rev, "commands": [
            {"do": "add_trigger", "kind": "manual", "config": {"inputs": [{"name": "who", "kind": "text"}]}},
            {"do": "add", "kind": "action", "action": "data.set", "name": "Write the note",
             "inputs": {"text": "Thank you, {{ event.payload.who }}"}},
            {"do": "add", "kind": "stop", "name": "Done"},
            {"do": "edit", "key": "write_the_note", "set": {"notes": "Said to the customer."}},
        ]}),
        ("read_draft", {"workflow": "thank-a-customer"}),
        ("validate_draft", {"workflow": "thank-a-customer"}),
        ("dry_run", {"workflow": "thank-a-customer", "payload": {"who": "Ada"}}),
        ("list_workflows", {"query": "thank"}),
    )  # fmt: skip
    assert nothing.structured_content == {"workflows": []}
    assert (made.structured_content["workflow"], made.structured_content["status"]) == ("thank-a-customer", "draft")
    assert "data.set" in [each["action"] for each in found.structured_content["actions"]]
    assert not edited.is_error, edited.content
    assert [each.get("key") for each in edited.structured_content["edits"]][1:3] == ["write_the_note", "done"]
    steps = read.structured_content["document"]["steps"]
    assert [step["key"] for step in steps] == ["write_the_note", "done"]
    assert steps[0]["notes"] == "Said to the customer."
    assert checked.structured_content["publishable"]
    assert tested.structured_content["steps"][0]["output"] == {"text": "Thank you, Ada"}
    [line] = listed.structured_content["workflows"]
    assert (line["workflow"], line["published_version"], line["url"]) == (
        "thank-a-customer", None, edited.structured_content["url"]
    )  # fmt: skip
    assert Workflow.objects.get().owner == owner and Workflow.objects.get().published is None


def test_an_unknown_argument_is_answered_with_those_that_there_are(build):
    [result] = build(("list_workflows", {"foo": 1}))
    said = result.content[0].text
    assert result.is_error and said.startswith("There is no field 'foo' here. Available: ") and "query" in said


def test_an_agent_begins_with_a_template_or_a_document(build, owner):
    document = {"name": "Two words", "triggers": [{"kind": "manual"}], "steps": [{"kind": "stop", "key": "done"}]}
    template, own, again, wrong, both, yaml, faulty = build(
        ("create_workflow", {"template": "website-check"}),
        ("create_workflow", {"document": document}),
        ("create_workflow", {"document": document}),
        ("create_workflow", {"template": "none"}),
        ("create_workflow", {"name": "x", "document": document}),
        ("create_workflow", {"yaml": "name: By file\nslug: by-file\nsteps: [{kind: stop, key: done}]"}),
        ("create_workflow", {"document": {"name": "x", "steps": [{"kind": "no"}]}}),
    )
    assert template.structured_content["workflow"].startswith("website-check"), template.content
    assert own.structured_content["workflow"] == "two-words"
    assert again.structured_content["workflow"] == "two-words-2"
    assert wrong.is_error and "'none'" in wrong.content[0].text
    assert both.is_error and faulty.is_error and "steps[0]" in faulty.content[0].text
    assert yaml.structured_content["workflow"] == "by-file"
    assert Workflow.objects.filter(owner=owner, published=None).count() == 4


def test_several_commands_are_made_together_or_not_at_all(build, workflow):
    workflow(NOTE)
    read, failed, stale, replaced, conflict = build(
        ("read_draft", {"workflow": "note"}),
        lambda last: ("change_draft", {"workflow": "note", "rev": last["revs"]["draft"], "commands": [
            {"do": "rename", "key": "say", "name": "Greet"}, {"do": "delete", "key": "nobody"}]}),
        ("change_draft", {"workflow": "note", "rev": 0, "commands": [{"do": "delete", "key": "say"}]}),
        ("replace_draft", {"workflow": "note", "rev": 1, "document": {
            "name": "Note", "triggers": [{"kind": "manual"}], "steps": [{"kind": "stop", "key": "done"}]}}),
        ("replace_draft", {"workflow": "note", "rev": 1, "document": {
            "name": "Other", "triggers": [{"kind": "manual"}], "steps": [{"kind": "stop", "key": "done"}]}}),
    )  # fmt: skip
    assert read.structured_content["revs"]["draft"] == 1
    assert failed.is_error and "Edit 2" in failed.content[0].text and "nobody" in failed.content[0].text
    assert stale.is_error and stale.structured_content["rev"] == 1
    assert not replaced.is_error and replaced.structured_content["revs"]["draft"] == 2
    assert conflict.is_error and conflict.structured_content["rev"] == 2
    assert [step.key for step in Workflow.objects.get().steps.all()] == ["done"]


def test_the_connection_that_was_picked_is_said(build, workflow, owner):
    Connection.objects.create(name="Own", slug="own-slack", connector="slack", owner=owner)
    workflow(NOTE)
    [result] = build(("change_draft", {"workflow": "note", "rev": 1, "commands": [
        {"do": "add", "kind": "action", "action": "slack.post_message"}]}))  # fmt: skip
    assert result.structured_content["edits"][0]["remarks"] == ["It uses your connection own-slack."]


CALLS = """
name: Calls
slug: calls
triggers: [{kind: manual}]
steps:
  - {key: fetch, action: http.request, inputs: {method: GET, url: 'https://127.0.0.1/x'}}
  - {key: ask, kind: approval, assignees: [owner], timeout: 2d, outcomes: [{key: approved, name: Yes}, {key: rejected, name: No}]}
  - {key: say, action: data.set, inputs: {text: 'Total {{ steps.fetch.output.body.total }}', did: '{{ steps.ask.output.outcome }}'}}
"""


@pytest.mark.extended
def test_a_dry_run_takes_outputs_and_outcomes(build, workflow, worker):
    workflow(CALLS, publish=False)
    dry, unknown, other = build(
        ("dry_run", {"workflow": "calls", "mocks": {"fetch": {"body": {"total": 5}}}, "outcomes": {"ask": "rejected"}}),
        ("dry_run", {"workflow": "calls", "mocks": {"nobody": 1}}),
        ("dry_run", {"workflow": "calls", "outcomes": {"fetch": "approved"}}),
    )
    assert dry.structured_content["steps"][-1]["output"] == {"text": "Total 5", "did": "rejected"}, dry.content
    assert unknown.is_error and "nobody" in unknown.content[0].text
    assert other.is_error and "fetch" in other.content[0].text


def test_each_command_has_a_schema_of_its_fields(api, owner, on_site):
    plain = api(owner).plain

    async def use(site):
        async with site.client(plain) as client:
            return {tool.name: tool for tool in (await client.list_tools()).tools}["change_draft"].input_schema

    schema = on_site(use)
    Draft202012Validator.check_schema(schema)
    valid = Draft202012Validator(schema)
    listed = {each["$ref"].rpartition("/")[2] for each in schema["properties"]["command"]["anyOf"]}
    assert listed == {*requests.TYPES, "undo", "redo"} == set(schema["$defs"])
    for name, part in requests.TYPES.items():
        assert set(schema["$defs"][name]["properties"]) == {"do", *part.__struct_fields__}, name
    alone = {"workflow": "w", "command": {"do": "edit", "rev": 3, "key": "say", "set": {"notes": "x"}}}
    several = {"workflow": "w", "rev": 3, "commands": [{"do": "add", "kind": "stop"}, {"do": "delete", "key": "say"}]}
    assert valid.is_valid(alone) and valid.is_valid(several)
    assert valid.is_valid({"workflow": "w", "command": {"do": "undo", "rev": 3}})
    for wrong in (
        {"do": "edit", "rev": 3}, {"do": "edit", "key": "say"}, {"do": "edit", "rev": 3, "key": "say", "arm": "x"},
        {"do": "add", "rev": 3, "kind": "nothing"}, {"do": "edit", "rev": 3, "key": "Not a key"}, {"do": "x", "rev": 3},
    ):  # fmt: skip
        assert not valid.is_valid({"workflow": "w", "command": wrong}), wrong


def test_a_draft_is_changed_by_commands_with_their_revision(build, workflow):
    made = workflow(NOTE)
    read, renamed, conflict, _read, added, undone, found = build(
        ("read_draft", {"workflow": "note"}),
        lambda last: ("change_draft", {"workflow": "note", "command": {
            "do": "rename", "rev": last["revs"]["steps"]["say"], "key": "say", "name": "Greet"}}),
        ("change_draft", {"workflow": "note", "command": {
            "do": "rename", "rev": 0, "key": "say", "name": "Shout"}}),
        ("read_draft", {"workflow": "note"}),
        lambda last: ("change_draft", {"workflow": "note", "command": {
            "do": "add", "rev": last["revs"]["structure"], "kind": "action", "action": "data.set", "inputs": {"a": 1}}}),
        lambda last: ("change_draft", {"workflow": "note", "command": {"do": "undo", "rev": last["revs"]["last_edit"]}}),
        ("validate_draft", {"workflow": "note"}),
    )  # fmt: skip
    assert read.structured_content["document"]["steps"][0]["key"] == "say"
    assert renamed.structured_content["changed"] and renamed.structured_content["key"] == "say"
    assert (
        conflict.is_error and conflict.structured_content["rev"] == renamed.structured_content["revs"]["steps"]["say"]
    )
    assert not added.is_error and undone.structured_content["done"].startswith("Undid")
    never = {
        "level": "warning",
        "field": "tests",
        "reason": "This draft was never tested. Run a test before you publish.",
    }
    assert found.structured_content == {"publishable": True, "problems": [never]}, "as the review warns"
    made.refresh_from_db()
    assert made.published.number == 1 and made.has_unpublished_changes, "an agent publishes nothing"
    entry = AuditEntry.objects.filter(verb="workflow.edited").first()
    assert (entry.actor, entry.source) == ("owner", "api")


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("command", "told"),
    [
        ({"do": "fly", "rev": 0}, "'fly' is not one of"),
        ({"do": "add", "rev": 0, "kind": "bogus"}, "Use one of: action, branch"),
        ({"do": "add_trigger", "rev": 0, "kind": "bogus"}, "Use one of: webhook, schedule"),
        ({"do": "rename", "rev": 0, "key": "nobody", "name": "x"}, "nobody"),
        ({"do": "rename", "rev": "0", "key": "say", "name": "x"}, "command.rev"),
        ({"do": "rename", "rev": 10**30, "key": "say", "name": "x"}, "command.rev"),
        ({"do": "rename", "rev": 0}, "key"),
        ({"do": "publish", "rev": 0}, "'publish' is not one of"),
        ({"do": "edit_settings", "rev": 0, "set": {"name": "a\0b"}}, "not allowed"),
        ({"do": "edit_settings", "rev": 1, "set": {"run_as": "stranger"}}, "can only run as you"),
    ],
)
def test_a_wrong_command_is_told_in_plain_text(build, workflow, stranger, command, told):
    workflow(NOTE)
    [result] = build(("change_draft", {"workflow": "note", "command": command}))
    assert result.is_error and told in result.content[0].text, result.content[0].text
    assert Workflow.objects.get().rev == 0 or not Workflow.objects.get().has_unpublished_changes


def test_a_dry_run_says_what_would_be_done(build, workflow, worker):
    workflow(NOTE)
    [result] = build(("dry_run", {"workflow": "note", "payload": {"who": "Ada"}}))
    content = result.structured_content
    assert (content["status"], content["steps"][0]["output"]) == ("succeeded", {"text": "Hello"})
    assert ExecutionRun.objects.get().cause == "test"


def test_a_dry_run_remembers_nothing(build, workflow, owner, worker):
    made = workflow(NOTE)
    key = made.steps.values_list("key", flat=True).get()
    for kind in StepSample.Kind.values:
        samples.keep_sample(made, key, kind, {"text": "Kept"}, by=owner)
    [result] = build(("dry_run", {"workflow": "note", "payload": {"who": "Ada"}}))
    assert result.structured_content["steps"][0]["output"] == {"text": "Hello"}


def test_a_dry_run_has_all_fields_of_the_form(build, workflow, worker):
    inputs = "[{name: order, kind: number, required: true}, {name: seats, kind: number}, {name: gift, kind: boolean}]"
    seen = (
        "{o: '{{ event.payload.order }}', s: '{{ event.payload.seats | default(1) }}', g: '{{ event.payload.gift }}'}"
    )
    workflow(NOTE.replace("[{name: who, kind: text}]", inputs).replace("{text: Hello}", seen))
    [dry] = build(("dry_run", {"workflow": "note", "payload": {"order": "1"}}))
    assert dry.structured_content["steps"][0]["output"] == {"o": 1, "s": None, "g": False}


def test_a_draft_with_errors_is_not_tested(build, workflow):
    workflow(NOTE, publish=False)
    read = {"do": "edit", "rev": 1, "key": "say", "set": {"inputs.text": "{{ steps.x.output }}"}}
    _changed, result = build(("change_draft", {"workflow": "note", "command": read}), ("dry_run", {"workflow": "note"}))
    assert result.is_error and result.structured_content["problems"][0]["step"] == "say"
