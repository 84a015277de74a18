"""An agent builds: it finds actions, changes drafts by commands with their revisions, tests and asks why a run failed."""

from __future__ import annotations

import pytest

from automate_core.models import ExecutionRun, Workflow
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
                    name, arguments = step(results[-1].structured_content) if callable(step) else step
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
    [request] = actions.structured_content["actions"]
    assert request["action"] == "http.request"
    assert "url" in {field["name"] for field in request["inputs"] if field.get("required")}
    assert len(templates.structured_content["templates"]) == 3
    assert one.structured_content["document"]["steps"]


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
