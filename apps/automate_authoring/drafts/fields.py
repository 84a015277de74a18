"""The fields that a request changes, by the names that the history of a draft has for them."""

from __future__ import annotations

from automate_authoring.drafts import requests
from automate_authoring.drafts.values import COLUMNS, POLICY_FIELDS, Draft, StepNode
from automate_core.definition.slots import NAMED_SLOT_FIELDS

#: The requests that change fields of one step and leave the tree as it is.
OF_STEP = (
    requests.Edit,
    requests.RenameInput,
    requests.Rename,
    requests.Disable,
    requests.RenameSlot,
    requests.EditCondition,
)


def changed_fields(draft: Draft, request: requests.Request) -> set[str]:
    """The fields of a step, a trigger or the workflow that the request changes; none where it changes the tree."""
    match request:
        case requests.Edit(key=key):
            return {_of_step(draft.steps[key], name) for name in (*request.set, *request.unset)}
        case requests.RenameInput():
            return {f"inputs.{request.name}", f"inputs.{request.to.strip()}"}
        case requests.Rename():
            return {"name"}
        case requests.Disable():
            return {"disabled"}
        case requests.RenameSlot(key=key, arm=arm):
            return {f"settings.{NAMED_SLOT_FIELDS.get(draft.steps[key].kind, '')}.{arm}.name"}
        case requests.EditCondition(key=key, arm=arm):
            return {f"settings.{NAMED_SLOT_FIELDS.get(draft.steps[key].kind, '')}.{arm}.when"}
        case requests.EditTrigger():
            names = (*request.set, *request.unset)
            return {name if name == "filter" else f"config.{name}" for name in names}
        case requests.EditSettings():
            return set(request.set)
    return set()


def _of_step(node: StepNode, name: str) -> str:
    if name.startswith("inputs.") or name in COLUMNS:
        return name
    return f"policy.{name}" if node.kind == "action" and name in POLICY_FIELDS else f"settings.{name}"
