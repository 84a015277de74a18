"""Versions of actions: what is published keeps its version, drafts are migrated with a note, faults have a reason."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points

import pytest
from django.urls import reverse

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.drafts import commands, requests, rows
from automate_connectors.adapters.base import Action, ActionVersionError, ConnectorAdapter, Effect
from automate_connectors.registry import connectors
from automate_core.definition.document import DefinitionError
from automate_core.models import StepRun
from automate_plugins import registry as plugin_registry
from automate_plugins.fields import FieldKind, FieldSpec
from automate_testing.contracts import Case, ConnectorContractTest
from tests.support.pages import Page

TO = FieldSpec(name="to", label="Recipient", required=True)
ALL = FieldSpec(name="recipients", label="Recipients", kind=FieldKind.LIST, required=True)


def one_to_many(params):
    params["recipients"] = [params.pop("to")]
    return params


FIRST = Action(name="send", label="Send", fields=(TO,))
SECOND = Action(name="send", label="Send", fields=(ALL,), version=2, migrations={1: one_to_many})


class Courier(ConnectorAdapter):
    code = "courier"
    name = "Courier"
    actions = (FIRST,)

    def execute(self, action, params, context):
        sent = [params["to"]] if context["version"] == 1 else params["recipients"]
        return {"version": context["version"], "sent": sent}


@pytest.fixture
def courier(monkeypatch):
    """The connector as it is installed; calling it with actions installs another version."""
    entry = EntryPoint("courier", "tests.core.test_action_versions:Courier", "django_automate.connectors")
    monkeypatch.setattr(
        plugin_registry,
        "entry_points",
        lambda group: [*entry_points(group=group), *([entry] if group == entry.group else [])],
    )

    def install(*actions):
        monkeypatch.setattr(Courier, "actions", actions)
        connectors.refresh()

    connectors.refresh()
    yield install
    monkeypatch.undo()
    connectors.refresh()


FLOW = """
name: Courier
slug: courier
triggers: [{endpoint: github}]
steps:
- {key: send, action: courier.send, inputs: {to: '{{ event.payload.who }}'}}
- {key: again, action: courier.send, disabled: true, inputs: {to: ada}}
"""


def outputs():
    return [step.output for step in StepRun.objects.filter(path="send").order_by("pk")]


@pytest.mark.extended
@pytest.mark.django_db(transaction=True)
def test_what_is_published_keeps_its_version_until_it_is_published_again(courier, workflow, deliver, drain, owner):
    made = workflow(FLOW)
    courier(SECOND)
    deliver({"who": "ada"}, delivery="1")
    drain()
    assert outputs() == [{"version": 1, "sent": ["ada"]}]
    workflows.publish(made, author=owner)
    deliver({"who": "bob"}, delivery="2")
    drain()
    assert outputs()[1:] == [{"version": 2, "sent": ["bob"]}]
    made.refresh_from_db()
    draft = rows.load_draft(made)
    assert [step.inputs for step in draft.steps.values()] == [
        {"recipients": ["{{ event.payload.who }}"]},
        {"recipients": ["ada"]},
    ]
    courier(FIRST)  # an older package: what is published says which one it needs
    deliver({"who": "cleo"}, delivery="3")
    drain()
    failed = StepRun.objects.filter(path="send").latest("pk")
    assert "Version 2 needs a newer package." in failed.error["message"]


@pytest.mark.extended
@pytest.mark.django_db
def test_opening_the_builder_migrates_with_a_note_that_can_be_undone(courier, workflow, sign_in, owner, colleague):
    made = workflow(FLOW)
    courier(SECOND)
    state = commands.load_state(made)
    warned = [problem.reason for problem in state.problems if problem.field == "version"]
    assert len(warned) == 2 and "becomes version 2" in warned[0]
    url = reverse("studio:builder", args=[made.pk])
    page = Page(sign_in(owner).get(url))
    assert "Updated 2 steps to the new versions of their actions" in page.text
    made.refresh_from_db()
    state = commands.load_state(made)
    assert [step.settings for step in state.draft.steps.values()] == [{"version": 2}] * 2
    assert [problem.field for problem in state.problems if problem.level == "error"] == []
    assert "Updated" not in Page(sign_in(owner).get(url)).text.split("Undo")[0]
    undone = commands.undo(made.pk, last=state.undo_stack.last, by=owner)
    assert [step.inputs["to"] for step in undone.draft.steps.values()] == ["{{ event.payload.who }}", "ada"]


@pytest.mark.django_db
def test_a_new_step_has_the_present_version_and_its_file_says_so(courier, workflow, owner):
    courier(SECOND)
    made = workflow("{name: Empty, slug: empty, triggers: [], steps: []}", publish=False)
    request = requests.Add(rev=made.structure_rev, kind="action", action="courier.send")
    state = commands.run_command(made.pk, request, by=owner)
    [step] = state.parsed.definition.steps
    assert step.version == 2
    assert "version: 2" in yaml_files.write_workflow(state.parsed.definition)


def raising(params):
    raise KeyError("to")


@pytest.mark.matrix
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (Action(name="send", fields=(ALL,), version=2), "cannot be migrated from version 1"),
        (Action(name="send", fields=(ALL,), version=2, migrations={1: raising}), "failed: KeyError: 'to'"),
        (Action(name="send", fields=(ALL,), version=2, migrations={1: str}), "it returns str, not a dict"),
    ],
    ids=["none", "raises", "wrong"],
)
def test_a_step_that_cannot_be_migrated_says_why_and_stays(courier, workflow, sign_in, owner, action, reason):
    made = workflow(FLOW)
    courier(action)
    with pytest.raises(DefinitionError, match="version") as caught:
        workflows.publish(made, author=owner)
    assert reason in str(caught.value)
    assert sign_in(owner).get(reverse("studio:builder", args=[made.pk])).status_code == 200
    assert [step.inputs["to"] for step in rows.load_draft(made).steps.values()] == ["{{ event.payload.who }}", "ada"]


@pytest.mark.django_db
def test_an_unknown_version_is_refused(courier, workflow):
    with pytest.raises(DefinitionError, match="Version 3 needs a newer package"):
        workflow(FLOW.replace("key: send, ", "key: send, version: 3, "))
    with pytest.raises(ActionVersionError):
        SECOND.at_version(0)


# --- the contract suite -----------------------------------------------------------------------------------------------


class Sender(Courier):
    actions = (replace(SECOND, effect=Effect.PURE),)


class TestSender(ConnectorContractTest):
    """The suite calls each version, and migrates the older one."""

    adapter_cls = Sender
    cases = (
        Case(action="send", params={"recipients": ["ada"]}, output={"version": 2, "sent": ["ada"]}),
        Case(action="send", params={"to": "ada"}, output={"version": 1, "sent": ["ada"]}, version=1),
    )


@pytest.mark.parametrize(
    ("action", "cases", "says"),
    [
        (Action(name="send", fields=(ALL,), version=2), (), "declare a migration from each"),
        (SECOND, (), "declare a case of send with version=1"),
        (SECOND, (Case(action="send", params={"who": "ada"}, version=1),), "failed: KeyError"),
        (
            Action(name="send", fields=(ALL,), version=2, migrations={1: dict}),
            (Case(action="send", params={"to": "ada"}, version=1),),
            "do not fit version 2",
        ),
    ],
    ids=["no migration", "no case", "raises", "misses"],
)
def test_the_suite_finds_faulty_migrations(action, cases, says):
    suite = type("Faulty", (ConnectorContractTest,), {"cases": cases})()
    with pytest.raises(AssertionError, match=says):
        suite.test_contract_versions(type("Faulty", (Sender,), {"actions": (action,)})())
