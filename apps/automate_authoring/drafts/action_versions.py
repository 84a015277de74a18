"""Steps of older versions of their actions, brought to the present ones when a draft is opened or published."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from automate_authoring import recorded_changes
from automate_authoring.drafts import changes, history, rows
from automate_authoring.drafts.values import Draft, StepNode
from automate_connectors.adapters.base import Action, ActionVersionError
from automate_connectors.registry import find_action
from automate_core.models import Workflow
from automate_governance import audit
from automate_governance.permissions import Person
from automate_plugins import ntext, text
from automate_plugins.texts import marked


def migrate_draft(workflow: Workflow, draft: Draft, *, by: Person) -> str:
    """Bring the steps of a locked workflow's draft to the present versions, as one edit that can be undone.

    Returns the words of the edit, empty when there was nothing to do. A step that cannot be migrated stays as it is;
    validation says why.
    """
    after = draft.copy()
    keys = migrate_steps(after)
    found = changes.find_changes(draft, after) if keys else []
    if not found:
        return ""
    undo_stack = history.load_undo_stack(workflow)
    workflow.rev += 1
    rows.write_changes(workflow, draft, after, found, workflow.rev)
    words = _words([after.steps[key].label for key in keys])
    history.record_edit(workflow, "replace", words, found, by, undo_stack)
    workflow.save(update_fields=["rev", "updated_at"])
    edited = recorded_changes.draft_changes(draft, after, found)
    audit.record(by, "workflow.edited", workflow, changes={"what": marked(words), **edited})
    return words


def migrate_steps(draft: Draft) -> list[str]:
    """Migrate the steps of a working copy, and give their keys."""
    found = []
    for key, node in list(draft.steps.items()):
        migrated = _migrated(node)
        if migrated is not None:
            draft.steps[key] = migrated
            found.append(key)
    return found


def version_settings(settings: dict[str, Any], action: Action) -> dict[str, Any]:
    """The settings of a step with the version of its action, which is left out for the first."""
    others = {name: value for name, value in settings.items() if name != "version"}
    return others | ({"version": action.version} if action.version != 1 else {})


def _migrated(node: StepNode) -> StepNode | None:
    if node.kind != "action" or not isinstance(node.inputs, dict):
        return None
    try:
        action = find_action(node.action)[1]
        version = node.settings.get("version", 1)
        if version == action.version or not isinstance(version, int):
            return None
        inputs = action.migrate(node.inputs, version)
    except (LookupError, ActionVersionError):
        return None
    return replace(node, inputs=inputs, settings=version_settings(node.settings, action))


def _words(labels: list[str]) -> str:
    if len(labels) == 1:
        return text("Updated %(step)s to the new version of its action", step=labels[0])
    return ntext(
        "Updated %(count)s step to the new version of its action",
        "Updated %(count)s steps to the new versions of their actions",
        len(labels),
    )
