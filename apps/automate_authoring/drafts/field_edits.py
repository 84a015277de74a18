"""The commands that change the fields of a step, a route, a trigger or the workflow. As pure as those of the tree.

A value may be one that keeps the draft from being published; it has to be one that can be stored. Raises RefusedError.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Annotated, Any

from msgspec import Meta

from automate_authoring.drafts import connector_triggers, insertion, requests
from automate_authoring.drafts.edits import AllowedNames, EditResult, find_step, picked_connection
from automate_authoring.drafts.errors import RefusedError
from automate_authoring.drafts.parsing import TRIGGERS
from automate_authoring.drafts.values import (
    COLUMNS,
    GAP,
    OWN_FIELDS,
    POLICY_FIELDS,
    UNCHOSEN,
    Draft,
    StepNode,
    TriggerNode,
)
from automate_authoring.field_labels import field_label, input_label
from automate_core.definition.document import OTHERWISE, TIMEOUT, DefinitionError, Name
from automate_core.definition.parsing import convert
from automate_core.definition.slots import NAMED_SLOT_FIELDS
from automate_governance.permissions import scope_refusal
from automate_plugins import text
from automate_plugins.texts import joined

_SETTING_TYPES: dict[str, Any] = {
    "name": Name,
    "description": str,
    "tags": list[Any],
    "timezone": Annotated[str, Meta(max_length=64)],
    "priority": Annotated[int, Meta(ge=-10, le=10)],
    "runs_on": Annotated[str, Meta(max_length=64)],
    "concurrency": dict[str, Any] | None,
    "retention": dict[str, Any] | None,
    "agents": dict[str, Any] | None,
    "vars": dict[str, Any],
    "subject": Annotated[str, Meta(max_length=500)],
    "search_terms": dict[str, str],
}


def rename_step(draft: Draft, request: requests.Rename) -> EditResult:
    """Change the label."""
    node = find_step(draft, request.key)
    draft.steps[node.key] = renamed = replace(node, name=_text(request.name))
    return EditResult(text("Renamed %(old)s to %(new)s", old=node.label, new=renamed.label), node.key)


def disable_step(draft: Draft, request: requests.Disable) -> EditResult:
    """Disable or enable a step."""
    node = find_step(draft, request.key)
    draft.steps[node.key] = replace(node, disabled=request.disabled)
    turned_off, turned_on = text("Turned off %(step)s", step=node.label), text("Turned on %(step)s", step=node.label)
    return EditResult(turned_off if request.disabled else turned_on, node.key)


def edit_step(draft: Draft, request: requests.Edit, allowed: AllowedNames) -> EditResult:
    """Fields by name."""
    node = before = find_step(draft, request.key)
    for name, value in request.set.items():
        node = _with_field(node, name, value, allowed)
    for name in request.unset:
        node = _without_field(node, name)
    draft.steps[node.key] = node
    dropped_steps = draft.drop_orphans()
    changed = [*request.set, *request.unset]
    if changed == ["name"]:  # its new name in the place of its owner would read as a step of that name
        return EditResult(text("Changed the name to “%(name)s”", name=node.label), node.key)
    values = {"fields": _listed([_field_label(node, name) for name in changed]), "step": before.label}
    if not dropped_steps:
        return EditResult(text("Changed %(fields)s of %(step)s", **values), node.key)
    dropped = _shortened(", ".join(each.label for each in dropped_steps))
    return EditResult(text("Changed %(fields)s of %(step)s, and deleted %(steps)s", steps=dropped, **values), node.key)


def _field_label(node: StepNode, name: str) -> str:
    """The label of a field; an input's is that of its action."""
    bare = name.removeprefix("inputs.")
    if bare == name or node.kind != "action":
        return field_label(name)
    return input_label(node.action, bare)


def _listed(labels: list[str]) -> str:
    """Labels that fit into the history."""
    shown: list[str] = []
    length = 0
    for label in labels:
        length += len(label) + 2
        if length > 200 and shown:
            return joined([*shown, "…"], ", ")
        shown.append(label if len(label) <= 200 else f"{label[:199]}…")
    return joined(shown, ", ")


def _shortened(names: str) -> str:
    """Names that fit into the history."""
    return names if len(names) <= 200 else f"{names[:199]}…"


def _with_field(node: StepNode, name: str, value: Any, allowed: AllowedNames) -> StepNode:
    if name.startswith("inputs.") and node.kind == "action":
        return replace(node, inputs={**node.inputs, _input(name): insertion.checked_value(name, value)})
    value = insertion.checked_value(_field(node, name), value)
    if name == "connection" and value not in {"", node.connection} and not allowed.connections({value}):
        reason = scope_refusal("connection:use", repr(value)) or text(
            "There is no connection %(name)s that you can use. Choose another one.", name=repr(value)
        )
        raise RefusedError(reason, name)
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
        reason = text("%(step)s no longer has an input %(name)s.", step=node.label, name=repr(request.name[:100]))
        raise RefusedError(reason, "name")
    to = _input(f"inputs.{request.to.strip()}")
    if to != request.name and to in node.inputs:
        raise RefusedError(text("%(step)s already has an input %(name)s.", step=node.label, name=repr(to)), "to")
    inputs = {to if name == request.name else name: value for name, value in node.inputs.items()}
    draft.steps[node.key] = replace(node, inputs=inputs)
    words = text("Renamed %(old)s to %(new)s in %(step)s", old=request.name[:200], new=to, step=node.label)
    return EditResult(words, node.key)


def _input(name: str) -> str:
    found = name.removeprefix("inputs.")
    if not found or len(found) > 200 or "\0" in found:
        raise RefusedError(text("Enter an input name of at most 200 characters."), "inputs")
    return found


def _field(node: StepNode, name: str) -> str:
    known = insertion.editable_fields(node.kind)
    if name not in known:
        reason = text(
            "%(step)s has no field %(field)s. Available: %(names)s.",
            step=node.label,
            field=repr(name),
            names=", ".join(known),
        )
        raise RefusedError(reason, name[:100])
    return name


def _text(value: str) -> str:
    insertion.check_storable(value, "name")
    return value


# --- routes, parallel branches and outcomes ---------------------------------------------------------------------------


def add_slot(draft: Draft, request: requests.AddSlot) -> EditResult:
    """Add a named slot."""
    node = find_step(draft, request.key)
    if node.kind not in NAMED_SLOT_FIELDS:
        raise RefusedError(text("%(step)s cannot have routes.", step=node.label), "key")
    if len(node.named_slots) >= insertion.MAX_SLOTS:
        reason = text(
            "%(step)s already has the maximum of %(maximum)s routes.", step=node.label, maximum=insertion.MAX_SLOTS
        )
        raise RefusedError(reason, "key")
    name = _text(request.name) or insertion.initial_slot_name(node.kind, len(node.named_slots) + 1)
    taken = {named_slot["key"] for named_slot in node.named_slots} | {OTHERWISE, TIMEOUT}
    named_slot: dict[str, Any] = {"key": insertion.free_key(name, taken), "name": name, "steps": []}
    if node.kind == "branch":
        named_slot["when"] = insertion.checked_value("when", request.when)
    named_slots = list(node.named_slots)
    named_slots.insert(len(named_slots) if request.index is None else request.index, named_slot)
    draft.steps[node.key] = _with_named_slots(node, named_slots)
    return EditResult(text("Added %(name)s to %(step)s", name=name, step=node.label), node.key)


def remove_slot(draft: Draft, request: requests.RemoveSlot) -> EditResult:
    """Remove a named slot and the steps in it."""
    node, at = _find_slot(draft, request.key, request.arm)
    draft.steps[node.key] = _with_named_slots(node, [*node.named_slots[:at], *node.named_slots[at + 1 :]])
    dropped_steps = draft.drop_orphans()
    values = {"name": _name(node.named_slots[at]), "step": node.label}
    if not dropped_steps:
        return EditResult(text("Removed %(name)s of %(step)s", **values), node.key)
    dropped = _shortened(", ".join(each.label for each in dropped_steps))
    return EditResult(text("Removed %(name)s of %(step)s with %(steps)s", steps=dropped, **values), node.key)


def move_slot(draft: Draft, request: requests.MoveSlot) -> EditResult:
    """Move a slot among the named slots of its step."""
    node, at = _find_slot(draft, request.key, request.arm)
    moved, reordered = node.named_slots[at], list(node.named_slots)
    reordered.insert(request.index, reordered.pop(at))
    draft.steps[node.key] = _with_named_slots(node, reordered)
    words = text(
        "Moved %(step)s to %(number)s of %(total)s",
        step=_name(moved),
        number=reordered.index(moved) + 1,
        total=len(reordered),
    )
    return EditResult(words, node.key)


def rename_slot(draft: Draft, request: requests.RenameSlot) -> EditResult:
    """Change the label."""
    node, at = _find_slot(draft, request.key, request.arm)
    named_slot = {**node.named_slots[at], "name": _text(request.name)}
    draft.steps[node.key] = _with_named_slots(node, [*node.named_slots[:at], named_slot, *node.named_slots[at + 1 :]])
    words = text(
        "Renamed %(old)s of %(step)s to %(new)s",
        old=_name(node.named_slots[at]),
        step=node.label,
        new=_name(named_slot),
    )
    return EditResult(words, node.key)


def edit_condition(draft: Draft, request: requests.EditCondition) -> EditResult:
    """Change the condition of a route."""
    node, at = _find_slot(draft, request.key, request.arm)
    if node.kind != "branch":
        raise RefusedError(text("%(step)s has no conditions.", step=node.label), "when")
    named_slot = {**node.named_slots[at], "when": insertion.checked_value("when", request.when)}
    draft.steps[node.key] = _with_named_slots(node, [*node.named_slots[:at], named_slot, *node.named_slots[at + 1 :]])
    words = text("Changed the condition of %(name)s in %(step)s", name=_name(named_slot), step=node.label)
    return EditResult(words, node.key)


def _find_slot(draft: Draft, key: str, arm: str) -> tuple[StepNode, int]:
    node = find_step(draft, key)
    found = next((at for at, named_slot in enumerate(node.named_slots) if named_slot["key"] == arm), None)
    if found is None:
        raise RefusedError(text("%(step)s no longer has the route %(slot)s.", step=node.label, slot=repr(arm)), "arm")
    return node, found


def _with_named_slots(node: StepNode, named_slots: list[dict[str, Any]]) -> StepNode:
    return replace(node, settings={**node.settings, NAMED_SLOT_FIELDS[node.kind]: named_slots})


def _name(named_slot: dict[str, Any]) -> str:
    return str(named_slot.get("name") or named_slot["key"].replace("_", " ").capitalize())


# --- triggers and the workflow itself ---------------------------------------------------------------------------------


def add_trigger(draft: Draft, request: requests.AddTrigger, allowed: AllowedNames) -> EditResult:
    """Add a trigger."""
    config, picked = {**_first_config(draft, request.kind), **request.config}, ""
    if request.kind in connector_triggers.CONNECTOR_KINDS:
        initial = connector_triggers.initial_config(request.kind, config, allowed)
        picked = "" if config.get("connection") else initial.get("connection", "")
        config = {**initial, **config}
    made = insertion.build_trigger(
        {**config, "kind": request.kind, "key": "new"}, insertion.free_key(request.kind, draft.triggers)
    )
    _may_listen(made, None, allowed)
    last = max((trigger.position for trigger in draft.triggers.values()), default=0)
    draft.triggers[made.key] = replace(made, position=last + GAP)
    return EditResult(text("Added the %(trigger)s", trigger=made.label), remarks=picked_connection(picked))


def _first_config(draft: Draft, kind: str) -> dict[str, Any]:
    """Values of a new trigger: a form has the workflow's slug as its address."""
    if kind != "form":
        return {}
    taken = {trigger.config.get("slug") for trigger in draft.triggers.values()}
    numbered = (f"{draft.slug[:90]}-{number}" for number in itertools.count(2))
    return {"slug": next(slug for slug in itertools.chain([draft.slug], numbered) if slug not in taken)}


def edit_trigger(draft: Draft, request: requests.EditTrigger, allowed: AllowedNames) -> EditResult:
    """Change fields of a trigger."""
    present = find_trigger(draft, request.key)
    known = [name for name in TRIGGERS[present.kind].__struct_fields__ if name != "key"]
    for name in [*request.set, *request.unset]:
        if name not in known:
            reason = text(
                "The %(trigger)s has no field %(field)s. Available: %(names)s.",
                trigger=present.label,
                field=repr(name),
                names=", ".join(known),
            )
            raise RefusedError(reason, name[:100])
    document = {**present.document(), **request.set}
    for name in request.unset:
        document.pop(name, None)
    made = insertion.build_trigger(document, present.key)
    _may_listen(made, present, allowed)
    draft.triggers[made.key] = replace(made, position=present.position, rev=present.rev, pk=present.pk)
    if request.set.keys() | set(request.unset) == {"disabled"}:
        turned_off = text("Turned off the %(trigger)s", trigger=made.label)
        turned_on = text("Turned on the %(trigger)s", trigger=made.label)
        return EditResult(turned_off if made.is_disabled else turned_on)
    names = _listed([field_label(name) for name in [*request.set, *request.unset]])
    return EditResult(text("Changed %(fields)s of the %(trigger)s", fields=names, trigger=made.label))


def remove_trigger(draft: Draft, request: requests.RemoveTrigger) -> EditResult:
    """Remove a trigger."""
    removed = find_trigger(draft, request.key)
    del draft.triggers[removed.key]
    return EditResult(text("Removed the %(trigger)s", trigger=removed.label))


def find_trigger(draft: Draft, key: str) -> TriggerNode:
    """The trigger of that key. Raises RefusedError."""
    try:
        return draft.triggers[key]
    except KeyError:
        raise RefusedError(text("The trigger %(key)s no longer exists.", key=repr(key)), "key") from None


def _may_listen(made: TriggerNode, present: TriggerNode | None, allowed: AllowedNames) -> None:
    """Refuse a webhook endpoint whose deliveries the person may not read, and a connection that they may not use."""
    if made.kind in connector_triggers.CONNECTOR_KINDS:
        connector_triggers.check_connection(made, present, allowed)
    slug = made.config.get("endpoint")
    if made.kind != "webhook" or not slug or slug == UNCHOSEN:
        return
    if present is not None and present.config.get("endpoint") == slug:
        return
    if not isinstance(slug, str) or not allowed.endpoints({slug}):
        reason = scope_refusal("webhookendpoint:view_payload", repr(slug)) or text(
            "There is no webhook endpoint %(name)s whose payloads you can view.", name=repr(slug)
        )
        raise RefusedError(reason, "endpoint")


def edit_settings(draft: Draft, request: requests.EditSettings, run_as: Any) -> EditResult:
    """The workflow's own fields; `run_as` is the key of the person that the request names, if it does."""
    changed: dict[str, Any] = {}
    for name, value in request.set.items():
        if name == "run_as":
            changed[name] = run_as
            continue
        if name not in OWN_FIELDS:
            reason = text(
                "A workflow has no field %(field)s. Available: %(names)s.",
                field=repr(name),
                names=", ".join([*OWN_FIELDS, "run_as"]),
            )
            raise RefusedError(reason, name[:100])
        insertion.check_storable(value, name)
        try:
            changed[name] = convert(value, _SETTING_TYPES[name], name)
        except DefinitionError as error:
            raise RefusedError(error.problems[0].reason, name) from error
    draft.settings = replace(draft.settings, **changed)
    names = [field_label(name.replace("run_as", "run as")) for name in changed]
    return EditResult(text("Changed %(fields)s of the workflow", fields=_listed(names)))
