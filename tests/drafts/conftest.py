"""A draft, and a person who edits it command by command."""

from __future__ import annotations

import pytest

from automate_core.authoring.drafts import commands, requests
from automate_core.models import Workflow

TRIAGE = """
name: Triage
slug: triage
triggers: [{endpoint: github, event: issues}]
steps:
  - {key: look, name: Look, action: data.set, inputs: {title: '{{ event.payload.title }}'}}
  - kind: branch
    key: route
    name: Route
    arms:
      - key: bug
        name: Bug
        when: {'==': [{var: steps.look.output.title}, bug]}
        steps:
          - {key: tell, name: Tell, action: data.log, inputs: {message: '{{ steps.look.output.title }}'}}
          - kind: for_each
            key: each
            items: '{{ event.payload.labels }}'
            steps: [{key: note, action: data.set, inputs: {n: '{{ item }}', of: '{{ steps.tell.output.message }}'}}]
      - {key: question, name: Question, when: {'==': [{var: steps.look.output.title}, question]}}
    otherwise: [{kind: stop, key: refuse, outcome: failed, message: No}]
  - kind: try
    key: careful
    name: Careful
    steps: [{key: risky, action: data.set}]
    on_error: [{key: caught, action: data.log, inputs: {message: '{{ error.message }}'}}]
  - kind: parallel
    key: both
    name: Both
    arms: [{key: left, steps: [{key: in_left, action: data.set}]}, {key: right}]
  - {key: last, name: Last, action: data.set, inputs: {found: '{{ steps.look.output.title }}'}}
"""


class Editor:
    """Sends commands as somebody, with the revisions that they see at that moment unless told otherwise."""

    def __init__(self, workflow, by):
        self.workflow, self.by = workflow, by

    @property
    def state(self):
        return commands.load_state(Workflow.objects.select_related("run_as").get(pk=self.workflow.pk))

    @property
    def draft(self):
        return self.state.draft

    def rev_of(self, do, fields):
        workflow = Workflow.objects.get(pk=self.workflow.pk)
        if do in {"edit", "rename", "disable", "rename_arm", "edit_condition"}:
            step = workflow.steps.filter(key=fields["key"]).first()
            return step.rev if step else 0
        if do == "edit_trigger":
            return workflow.triggers.get(key=fields["key"]).rev
        return workflow.settings_rev if do == "edit_settings" else workflow.structure_rev

    def do(self, do, rev=None, **fields):
        rev = self.rev_of(do, fields) if rev is None else rev
        return commands.run_command(
            self.workflow.pk, requests.read_request({"do": do, "rev": rev, **fields}), by=self.by
        )

    def undo(self, last=None):
        return commands.undo(self.workflow.pk, last=self.state.undo_stack.last if last is None else last, by=self.by)

    def redo(self, last=None):
        return commands.redo(self.workflow.pk, last=self.state.undo_stack.last if last is None else last, by=self.by)

    def keys(self, parent="", slot=""):
        return [node.key for node in self.draft.siblings((parent, slot))]


@pytest.fixture
def triage(workflow):
    return workflow(TRIAGE)


@pytest.fixture
def editor(triage, owner):
    return Editor(triage, owner)


@pytest.fixture
def editor_of(triage):
    """The same draft in somebody else's hands."""
    return lambda person, workflow=triage: Editor(workflow, person)
