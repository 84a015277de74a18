"""The end of one workflow's run starts another."""

from __future__ import annotations

import pytest

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_core.api import emit
from automate_core.definition.document import DefinitionError
from automate_core.models import ExecutionRun

pytestmark = pytest.mark.django_db(transaction=True)

PAYING = """
name: Paying
slug: paying
triggers: [{kind: event, event: order.paid}]
steps:
  - kind: branch
    key: amount
    arms:
      - key: nothing
        when: {'==': [{var: event.payload.total}, 0]}
        steps: [{kind: stop, key: refuse, outcome: failed, message: Nothing was paid}]
"""

AFTER = """
name: After
slug: after-{on}
triggers: [{{kind: run, workflow: paying, on: {on}}}]
steps: [{{key: note, action: data.set, inputs: {{status: '{{{{ event.type }}}}'}}}}]
"""


def test_runs_start_what_waits_for_their_end(workflow, drain):
    workflow(PAYING)
    for on in ("succeeded", "failed", "ended"):
        workflow(AFTER.format(on=on))
    emit("order.paid", {"total": 5})
    emit("order.paid", {"total": 0})
    emit("order.shipped", {"total": 5})
    drain()
    drain()  # what the first one's end made ready
    runs = ExecutionRun.objects.exclude(workflow__slug="paying").select_related("workflow")
    started = sorted((run.workflow.slug, run.steps.get().output["status"]) for run in runs)
    assert started == [
        ("after-ended", "failed"),
        ("after-ended", "succeeded"),
        ("after-failed", "failed"),
        ("after-succeeded", "succeeded"),
    ]


def test_only_the_ends_of_runs_that_one_may_read_are_heard(workflow, colleague):
    workflow(PAYING)
    listening = workflows.save_definition(yaml_files.read_workflow(AFTER.format(on="failed")), owner=colleague)
    with pytest.raises(DefinitionError, match="There is no workflow 'paying' whose payloads colleague can view"):
        workflows.publish(listening, author=colleague)
