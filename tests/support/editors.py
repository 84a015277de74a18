"""A draft's commands, as the builder sends them."""

from __future__ import annotations

from automate_authoring.drafts import commands, requests
from automate_core.models import Workflow


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

    def do(self, do, rev=None, tab="", **fields):
        rev = self.rev_of(do, fields) if rev is None else rev
        return commands.run_command(
            self.workflow.pk, requests.read_request({"do": do, "rev": rev, **fields}), by=self.by, tab=tab
        )

    def undo(self, last=None):
        return commands.undo(self.workflow.pk, last=self.state.undo_stack.last if last is None else last, by=self.by)

    def redo(self, last=None):
        return commands.redo(self.workflow.pk, last=self.state.undo_stack.last if last is None else last, by=self.by)

    def keys(self, parent="", slot=""):
        return [node.key for node in self.draft.siblings((parent, slot))]
