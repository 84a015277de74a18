"""The commands that change what a step, a route, a trigger or the workflow says. As pure as those of the tree.

A value may be one that keeps the draft from being published; it has to be one that can be stored. Raises RefusedError.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from msgspec import Meta

from automate_core.authoring.drafts import insertion, requests
from automate_core.authoring.drafts.edits import AllowedNames, EditResult, find_step
from automate_core.authoring.drafts.errors import RefusedError
from automate_core.authoring.drafts.parsing import TRIGGERS
from automate_core.authoring.drafts.values import (
    COLUMNS,
    GAP,
    OWN_FIELDS,
    POLICY_FIELDS,
    UNCHOSEN,
    Draft,
    StepNode,
    TriggerNode,
)
from automate_core.definition.document import OTHERWISE, TIMEOUT, DefinitionError, Name
from automate_core.definition.parsing import convert
from automate_core.definition.slots import NAMED_SLOT_FIELDS

_SETTING_TYPES: dict[str, Any] = {
    "name": Name,
    "description": str,
    "tags": list[Any],
    "timezone": Annotated[str, Meta(max_length=64)],
    "priority": Annotated[int, Meta(ge=-10, le=10)],
    "concurrency": dict[str, Any] | None,
    "retention": dict[str, Any] | None,
    "vars": dict[str, Any],
    "subject": Annotated[str, Meta(max_length=500)],
    "search_terms": dict[str, str],
}


def rename_step(draft: Draft, request: requests.Rename) -> EditResult:
    """Change the label."""
    node = find_step(draft, request.key)
    draft.steps[node.key] = renamed = replace(node, name=_text(request.name))
    return EditResult(f"Renamed {node.label} to {renamed.label}", node.key)


def disable_step(draft: Draft, request: requests.Disable) -> EditResult:
    """Disable or enable a step."""
    node = find_step(draft, request.key)
    draft.steps[node.key] = replace(node, disabled=request.disabled)
    return EditResult(f"Turned {'off' if request.disabled else 'on'} {node.label}", node.key)


def edit_step(draft: Draft, request: requests.Edit, allowed: AllowedNames) -> EditResult:
    """Fields by name."""
    node = find_step(draft, request.key)
    for name, value in request.set.items():
        node = _with_field(node, name, value, allowed)
    for name in request.unset:
        node = _without_field(node, name)
    draft.steps[node.key] = node
    dropped_steps = draft.drop_orphans()
    names = ", ".join(name.replace("_", " ").removeprefix("inputs.") for name in [*request.set, *request.unset])
    dropped = f", and dropped {', '.join(each.label for each in dropped_steps)}" if dropped_steps else ""
    return EditResult(f"Changed {names} of {node.label}{dropped}"[:300], node.key)


def _with_field(node: StepNode, name: str, value: Any, allowed: AllowedNames) -> StepNode:
    if name.startswith("inputs.") and node.kind == "action":
        return replace(node, inputs={**node.inputs, _input(name): insertion.checked_value(name, value)})
    value = insertion.checked_value(_field(node, name), value)
    if name == "connection" and value not in {"", node.connection} and not allowed.connections({value}):
        raise RefusedError(f"there is no connection {value!r} that you may use", name)
    if name in COLUMNS:
        return replace(node, **{name: value})
    if value is None:
        return _without_field(node, name)
    if node.kind == "action" and name in POLICY_FIELDS:
        return replace(node, policy={**node.policy, name: value})
    return replace(node, settings={**node.settings, name: value})


def _without_field(node: StepNode, name: str) -> StepNode:
    if name.startswith("inputs.") and node.kind == "action":
        return replace(node, inputs={key: value for key, value in node.inputs.items() if key != _input(name)})
    if _field(node, name) in COLUMNS:
        return replace(node, **{name: getattr(StepNode(key="", kind=""), name)})
    return replace(
        node,
        policy={key: value for key, value in node.policy.items() if key != name},
        settings={key: value for key, value in node.settings.items() if key != name},
    )


def rename_input(draft: Draft, request: requests.RenameInput) -> EditResult:
    """Rename an input and keep its position."""
    node = find_step(draft, request.key)
    if request.name not in node.inputs:
        raise RefusedError(f"{node.label} has no input {request.name[:100]!r} any more", "name")
    to = _input(f"inputs.{request.to.strip()}")
    if to != request.name and to in node.inputs:
        raise RefusedError(f"{node.label} has an input {to!r} already", "to")
    inputs = {to if name == request.name else name: value for name, value in node.inputs.items()}
    draft.steps[node.key] = replace(node, inputs=inputs)
    return EditResult(f"Renamed {request.name} to {to} in {node.label}"[:300], node.key)


def _input(name: str) -> str:
    found = name.removeprefix("inputs.")
    if not found or len(found) > 200 or "\0" in found:
        raise RefusedError("an input needs a name of at most 200 characters", "inputs")
    return found


def _field(node: StepNode, name: str) -> str:
    known = insertion.editable_fields(node.kind)
    if name not in known:
        raise RefusedError(f"{node.label} has no {name!r}; it has {', '.join(known)}", name[:100])
    return name


def _text(value: str) -> str:
    insertion.check_storable(value, "name")
    return value


# --- routes, tracks and outcomes --------------------------------------------------------------------------------------


def add_slot(draft: Draft, request: requests.AddSlot) -> EditResult:
    """Add a named slot."""
    node = find_step(draft, request.key)
    if node.kind not in NAMED_SLOT_FIELDS:
        raise RefusedError(f"{node.label} has no routes", "key")
    if len(node.named_slots) >= insertion.MAX_SLOTS:
        raise RefusedError(f"{node.label} has {insertion.MAX_SLOTS} routes, which is the most", "key")
    word = {"branch": "Route", "parallel": "Track", "approval": "Outcome"}[node.kind]
    name = _text(request.name) or f"{word} {len(node.named_slots) + 1}"
    taken = {named_slot["key"] for named_slot in node.named_slots} | {OTHERWISE, TIMEOUT}
    named_slot: dict[str, Any] = {"key": insertion.free_key(name, taken), "name": name, "steps": []}
    if node.kind == "branch":
        named_slot["when"] = insertion.checked_value("when", request.when)
    named_slots = list(node.named_slots)
    named_slots.insert(len(named_slots) if request.index is None else request.index, named_slot)
    draft.steps[node.key] = _with_named_slots(node, named_slots)
    return EditResult(f"Added {name} to {node.label}", node.key)


def remove_slot(draft: Draft, request: requests.RemoveSlot) -> EditResult:
    """Remove a named slot and the steps in it."""
    node, at = _find_slot(draft, request.key, request.arm)
    draft.steps[node.key] = _with_named_slots(node, [*node.named_slots[:at], *node.named_slots[at + 1 :]])
    dropped_steps = draft.drop_orphans()
    dropped = f" with {', '.join(each.label for each in dropped_steps)}" if dropped_steps else ""
    return EditResult(f"Removed {_name(node.named_slots[at])} of {node.label}{dropped}"[:300], node.key)


def move_slot(draft: Draft, request: requests.MoveSlot) -> EditResult:
    """Move a slot among the named slots of its step."""
    node, at = _find_slot(draft, request.key, request.arm)
    moved, reordered = node.named_slots[at], list(node.named_slots)
    reordered.insert(request.index, reordered.pop(at))
    draft.steps[node.key] = _with_named_slots(node, reordered)
    return EditResult(f"Moved {_name(moved)} to {reordered.index(moved) + 1} of {len(reordered)}", node.key)


def rename_slot(draft: Draft, request: requests.RenameSlot) -> EditResult:
    """Change the label."""
    node, at = _find_slot(draft, request.key, request.arm)
    named_slot = {**node.named_slots[at], "name": _text(request.name)}
    draft.steps[node.key] = _with_named_slots(node, [*node.named_slots[:at], named_slot, *node.named_slots[at + 1 :]])
    return EditResult(f"Renamed {_name(node.named_slots[at])} of {node.label} to {_name(named_slot)}", node.key)


def edit_condition(draft: Draft, request: requests.EditCondition) -> EditResult:
    """Change the condition of a route."""
    node, at = _find_slot(draft, request.key, request.arm)
    if node.kind != "branch":
        raise RefusedError(f"{node.label} has no conditions", "when")
    named_slot = {**node.named_slots[at], "when": insertion.checked_value("when", request.when)}
    draft.steps[node.key] = _with_named_slots(node, [*node.named_slots[:at], named_slot, *node.named_slots[at + 1 :]])
    return EditResult(f"Changed when {node.label} takes {_name(named_slot)}", node.key)


def _find_slot(draft: Draft, key: str, arm: str) -> tuple[StepNode, int]:
    node = find_step(draft, key)
    found = next((at for at, named_slot in enumerate(node.named_slots) if named_slot["key"] == arm), None)
    if found is None:
        raise RefusedError(f"{node.label} has no route {arm!r} any more", "arm")
    return node, found


def _with_named_slots(node: StepNode, named_slots: list[dict[str, Any]]) -> StepNode:
    return replace(node, settings={**node.settings, NAMED_SLOT_FIELDS[node.kind]: named_slots})


def _name(named_slot: dict[str, Any]) -> str:
    return str(named_slot.get("name") or named_slot["key"].replace("_", " ").capitalize())


# --- triggers and the workflow itself ---------------------------------------------------------------------------------


def add_trigger(draft: Draft, request: requests.AddTrigger, allowed: AllowedNames) -> EditResult:
    """Add a trigger."""
    made = insertion.build_trigger(
        {**request.config, "kind": request.kind, "key": "new"}, insertion.free_key(request.kind, draft.triggers)
    )
    _may_listen(made, None, allowed)
    last = max((trigger.position for trigger in draft.triggers.values()), default=0)
    draft.triggers[made.key] = replace(made, position=last + GAP)
    return EditResult(f"Added the {made.label}")


def edit_trigger(draft: Draft, request: requests.EditTrigger, allowed: AllowedNames) -> EditResult:
    """Change fields of a trigger."""
    present = find_trigger(draft, request.key)
    known = [name for name in TRIGGERS[present.kind].__struct_fields__ if name != "key"]
    for name in [*request.set, *request.unset]:
        if name not in known:
            raise RefusedError(f"the {present.label} has no {name!r}; it has {', '.join(known)}", name[:100])
    document = {**present.document(), **request.set}
    for name in request.unset:
        document.pop(name, None)
    made = insertion.build_trigger(document, present.key)
    _may_listen(made, present, allowed)
    draft.triggers[made.key] = replace(made, position=present.position, rev=present.rev, pk=present.pk)
    return EditResult(f"Changed {', '.join([*request.set, *request.unset])} of the {made.label}"[:300])


def remove_trigger(draft: Draft, request: requests.RemoveTrigger) -> EditResult:
    """One start less."""
    removed = find_trigger(draft, request.key)
    del draft.triggers[removed.key]
    return EditResult(f"Removed the {removed.label}")


def find_trigger(draft: Draft, key: str) -> TriggerNode:
    """The trigger of that key. Raises RefusedError."""
    try:
        return draft.triggers[key]
    except KeyError:
        raise RefusedError(f"there is no trigger {key!r} any more", "key") from None


def _may_listen(made: TriggerNode, present: TriggerNode | None, allowed: AllowedNames) -> None:
    """Refuse a webhook endpoint whose deliveries the person may not read."""
    slug = made.config.get("endpoint")
    if made.kind != "webhook" or not slug or slug == UNCHOSEN:
        return
    if present is not None and present.config.get("endpoint") == slug:
        return
    if not isinstance(slug, str) or not allowed.endpoints({slug}):
        raise RefusedError(f"there is no webhook endpoint {slug!r} whose deliveries you may read", "endpoint")


def edit_settings(draft: Draft, request: requests.EditSettings, run_as: Any) -> EditResult:
    """The workflow's own fields; `run_as` is the key of the person that the request names, if it does."""
    changed: dict[str, Any] = {}
    for name, value in request.set.items():
        if name == "run_as":
            changed[name] = run_as
            continue
        if name not in OWN_FIELDS:
            raise RefusedError(f"a workflow has no {name!r}; it has {', '.join([*OWN_FIELDS, 'run_as'])}", name[:100])
        insertion.check_storable(value, name)
        try:
            changed[name] = convert(value, _SETTING_TYPES[name], name)
        except DefinitionError as error:
            raise RefusedError(error.problems[0].reason, name) from error
    draft.settings = replace(draft.settings, **changed)
    return EditResult(f"Changed {', '.join(name.replace('_', ' ') for name in changed)} of the workflow")
