"""A workflow is made available to AI agents: in the builder, in files, by publishing, and what starts it then."""

from __future__ import annotations

import pytest
from django.urls import reverse

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_core.definition.document import AgentTool, DefinitionError
from automate_core.models import DraftCommand, Event, ExecutionRun
from automate_core.triggers import manual
from automate_governance.models import AuditEntry
from tests.support.builder import Builder

pytestmark = pytest.mark.django_db(transaction=True)

REFUND = """
name: Refund
slug: refund
agents: {description: Refunds an order.}
triggers:
  - {kind: manual, key: by_hand, inputs: [{name: order, kind: number, required: true}]}
  - {kind: manual, key: other}
steps: [{key: note, action: data.set, inputs: {values: {order: '{{ event.payload.order }}'}}}]
"""
SILENT = REFUND.replace("agents: {description: Refunds an order.}\n", "")


def start(workflow, owner, **options):
    return manual.start_workflow(workflow, {"order": 17}, by=owner, source=manual.AGENTS, **options)


def test_a_workflow_is_started_by_agents_once_it_is_published_as_available(workflow, owner, drain):
    refund = workflow(REFUND)
    started = start(refund, owner, key="mcp:1:a")
    drain()
    run = ExecutionRun.objects.get()
    assert (run.status, run.origin, run.trace_id) == ("succeeded", "mcp", started.trace_id)
    event = Event.objects.get()
    assert (event.source, event.type, event.headers) == ("mcp:refund", "by_hand", {manual.STARTED_BY: "owner"})


def test_a_start_with_the_same_key_is_the_same_start(workflow, owner, drain):
    refund = workflow(REFUND)
    first, second = start(refund, owner, key="mcp:1:a"), start(refund, owner, key="mcp:1:a")
    assert (first.event_id, second.duplicate) == (second.event_id, True)
    assert AuditEntry.objects.filter(verb="workflow.run_started").count() == 1


@pytest.mark.parametrize("text", [SILENT, REFUND.replace("{desc", "{enabled: false, desc")])
def test_a_workflow_that_is_not_available_starts_nothing(workflow, owner, drain, text):
    start(workflow(text), owner)
    drain()
    assert not ExecutionRun.objects.exists()


def test_the_setting_is_kept_in_files(workflow):
    refund = workflow(REFUND)
    written = yaml_files.write_workflow(workflows.load_definition(refund))
    assert yaml_files.read_workflow(written).agents == AgentTool(description="Refunds an order.")
    assert "agents" not in yaml_files.write_workflow(yaml_files.read_workflow(SILENT))


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        (("{description: Refunds an order.}", "{output: {type: whatever}}"), "agents.output"),
        (("{description: Refunds an order.}", "{tone: kind}"), "agents.tone"),
    ],
)
def test_what_agents_could_not_use_is_not_published(workflow, changed, path):
    with pytest.raises(DefinitionError) as refused:
        workflow(REFUND.replace(*changed))
    assert path in {problem.path for problem in refused.value.problems}


def test_without_a_manual_trigger_there_is_nothing_to_start_it_by(workflow):
    with pytest.raises(DefinitionError, match="Add a manual trigger"):
        workflow("name: A\nslug: a\nagents: {}\ntriggers: [{endpoint: github}]\nsteps: [{key: n, action: data.set}]\n")


@pytest.mark.extended
def test_the_builder_has_a_switch_and_a_description(workflow, owner, sign_in):
    refund = workflow(SILENT)
    builder = Builder(sign_in(owner), refund)
    assert "Available to agents" in builder.panel("~workflow").text
    saved = builder.save("~workflow", **{"agents.enabled": ["off", "on"]})
    assert saved.status_code == 200
    refund.refresh_from_db()
    assert refund.agents == {}
    builder.save("~workflow", **{"agents.description": "When an order is late."})
    builder.save("~workflow", **{"agents.enabled": "off"})
    refund.refresh_from_db()
    assert refund.agents == {"enabled": False, "description": "When an order is late."}
    assert DraftCommand.objects.count() > 0
    assert AuditEntry.objects.filter(verb="workflow.edited", actor="owner").exists()
    workflows.publish(refund, author=owner)
    assert not refund.active_triggers.filter(source="mcp:refund").exists()


def test_runs_of_agents_have_a_filter_and_a_name(workflow, owner, sign_in, drain):
    start(workflow(REFUND), owner)
    drain()
    client, run = sign_in(owner), ExecutionRun.objects.get()
    shown = client.get(reverse("admin:automate_core_executionrun_changelist"), {"origin": "mcp"}).content.decode()
    assert "AI agent" in shown and str(run.pk)[-8:] in shown
    assert "AI agent" in client.get(reverse("admin:automate_core_event_changelist")).content.decode()
