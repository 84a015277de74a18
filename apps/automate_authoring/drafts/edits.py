"""Commands that change the tree: each takes a draft and a request, and returns the changed draft and a description.

They make no query: the caller passes in the names that the person may use. Raises RefusedError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from automate_authoring.drafts import action_versions, clipboard, insertion, requests, step_location
from automate_authoring.drafts.errors import RefusedError
from automate_authoring.drafts.values import GAP, KIND_LABELS, UNCHOSEN, Draft, StepNode, step_document
from automate_connectors.registry import find_action
from automate_core.definition.document import MAX_NESTING, MAX_STEPS, TIMEOUT
from automate_governance.texts import translated
from automate_plugins import ntext, text
from automate_plugins.texts import marked


@dataclass(frozen=True)
class EditResult:
    """Result of an edit: `words` for people, the step to select next, and remarks such as omitted parts.

    `words` and `remarks` are marked texts.
    """

    words: str
    selected: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class AllowedNames:
    """Names that the person may use: the usable ones of these connections, the readable ones of these endpoints.

    `only_connection` gives the only one that they made for an action, a poll or a webhook that needs one, or nothing.
    """

    connections: Callable[[set[str]], set[str]]
    endpoints: Callable[[set[str]], set[str]]
    only_connection: Callable[[str], str]


def find_step(draft: Draft, key: str) -> StepNode:
    """The step of that key. Raises RefusedError."""
    try:
        return draft.steps[key]
    except KeyError:
        raise RefusedError(text("The step %(key)s no longer exists.", key=repr(key)), "key") from None


def find_destination(draft: Draft, request: Any) -> tuple[str, str]:
    """The list that a request names. Raises RefusedError."""
    if not request.parent and not request.slot:
        return "", ""
    if request.slot not in find_step(draft, request.parent).slots:
        reason = text(
            "%(step)s no longer has the route %(slot)s.",
            step=draft.steps[request.parent].label,
            slot=repr(request.slot),
        )
        raise RefusedError(reason, "slot")
    return request.parent, request.slot


def check_limits(draft: Draft) -> None:
    """Raise RefusedError when a workflow would get too large."""
    if len(draft.steps) > MAX_STEPS:
        raise RefusedError(text("A workflow can have at most %(maximum)s steps.", maximum=f"{MAX_STEPS:,}"))
    if draft.depth() > MAX_NESTING:
        raise RefusedError(text("Steps can be nested at most %(maximum)s levels deep.", maximum=MAX_NESTING))


def add_step(draft: Draft, request: requests.Add, allowed: AllowedNames) -> EditResult:
    """A new step, called as its action is, with the only connection there is for it."""
    place = find_destination(draft, request)
    if request.kind == "action" and not request.action:
        raise RefusedError(text("Choose an action for the step."), "action")
    if request.kind != "action" and request.action:
        raise RefusedError(text("Only action steps have an action."), "action")
    if request.preset == "form_page" and request.kind != "wait":
        raise RefusedError(text("Only waits can begin as a form page."), "preset")
    if request.preset == "callback" and request.kind != "wait":
        raise RefusedError(text("Only waits can begin with a callback."), "preset")
    if request.preset == "stops" and request.kind != "approval":
        raise RefusedError(text("Only approvals can begin with stops."), "preset")
    picked = ""
    wish = request.name or request.action.rpartition(".")[2] or request.kind
    name = insertion.free_name(request.name or _initial_name(request), draft, request.kind)
    document: dict[str, Any] = {"kind": request.kind, "key": "new", "name": name}
    document |= insertion.initial_settings(
        request.preset if request.kind == "wait" and request.preset else request.kind
    )
    if request.kind == "stop":
        document |= _initial_stop(place[1])
    if request.preset == "stops":
        document |= {"on_timeout": []}
    if request.action:
        document |= {"action": request.action, "inputs": insertion.checked_value("inputs", request.inputs)}
        picked = allowed.only_connection(request.action)
        document |= {"connection": picked, **_present_version(request.action)}
    elif request.inputs:
        raise RefusedError(text("Only action steps have inputs."), "inputs")
    made = insertion.build_node(document, insertion.free_key(wish, draft.steps))
    draft.place_at(made, place, request.index)
    if request.preset == "stops":
        for slot in made.slots[1:]:
            stop = {"kind": "stop", "key": "stop", "name": translated(KIND_LABELS["stop"]), **_initial_stop(slot)}
            insertion.insert_steps(draft, [stop], (made.key, slot), None)
    return EditResult(text("Added %(step)s", step=made.label), made.key, picked_connection(picked))


def picked_connection(slug: str) -> tuple[str, ...]:
    """The remark about a connection that an edit picked by itself."""
    return (text("It uses your connection %(name)s.", name=slug),) if slug else ()


def _initial_stop(slot: str) -> dict[str, Any]:
    """The settings of a new stop in that slot: after an error and a deadline, the run fails."""
    return {"outcome": "failed"} if slot in {TIMEOUT, "on_error"} else {}


def _present_version(reference: str) -> dict[str, Any]:
    """The version of an action for a new step; nothing for the first one, and for an action that is not installed."""
    try:
        return action_versions.version_settings({}, find_action(reference)[1])
    except LookupError:
        return {}


def _initial_name(request: requests.Add) -> str:
    """Name of a new step in the active language; empty for an action that is not installed."""
    if not request.action:
        return translated(KIND_LABELS.get(request.kind, ""))
    try:
        found = find_action(request.action)[1]
    except LookupError:
        return ""
    return translated(found.label) or found.name.replace("_", " ").capitalize()


def move_step(draft: Draft, request: requests.Move) -> EditResult:
    """A step to another place."""
    node, place = find_step(draft, request.key), find_destination(draft, request)
    if place[0] in draft.subtree(node.key):
        raise RefusedError(text("%(step)s cannot be moved into itself.", step=node.label), "parent")
    order = [each.key for each in draft.siblings(place)]
    if place == node.place and order.index(node.key) == min(
        len(order) - 1 if request.index is None else request.index, len(order) - 1
    ):
        return EditResult(text("Moved %(step)s", step=node.label), node.key)
    draft.place_at(node, place, request.index)
    number = [each.key for each in draft.siblings(place)].index(node.key) + 1
    values = {"step": node.label, "number": number, "total": len(draft.siblings(place))}
    if not place[0]:
        return EditResult(text("Moved %(step)s to %(number)s of %(total)s", **values), node.key)
    inside = step_location.slot_location(draft.steps[place[0]], place[1])
    return EditResult(text("Moved %(step)s to %(number)s of %(total)s, %(place)s", place=inside, **values), node.key)


def duplicate_step(draft: Draft, request: requests.Duplicate) -> EditResult:
    """A copy behind the original."""
    node = find_step(draft, request.key)
    copied = step_document(node.key, draft, draft.lists())
    at = [each.key for each in draft.siblings(node.place)].index(node.key) + 1
    [key] = insertion.insert_steps(draft, [copied], node.place, at)
    return EditResult(text("Duplicated %(step)s", step=node.label), key)


def paste_clip(draft: Draft, request: requests.Paste, allowed: AllowedNames) -> EditResult:
    """Insert a clip, without the names that the person may not use."""
    place = find_destination(draft, request)
    steps, triggers = clipboard.read_clip(request.clip)
    keys = insertion.insert_steps(draft, steps, place, request.index)
    remarks = [
        *_clear_connections(draft, keys, allowed.connections(clipboard.clip_connections(steps))),
        *_paste_triggers(draft, triggers, allowed.endpoints(clipboard.clip_endpoints(triggers))),
    ]
    if keys:
        words = text("Pasted %(names)s", names=", ".join(draft.steps[key].label for key in keys)[:190])
    else:
        words = ntext("Pasted %(count)s trigger", "Pasted %(count)s triggers", len(triggers))
    return EditResult(words, keys[0] if keys else "", tuple(remarks))


def _clear_connections(draft: Draft, keys: list[str], usable: set[str]) -> Iterator[str]:
    """Take from pasted steps the connections that are not usable, and say so."""
    for key in [inner for outer in keys for inner in draft.subtree(outer)]:
        node = draft.steps[key]
        if clipboard.loses_connection(node, usable):
            draft.steps[key] = replace(node, connection=UNCHOSEN)
            yield text("%(step)s: choose a connection. You cannot use the original one.", step=node.label)


def _paste_triggers(draft: Draft, documents: list[Any], readable: set[str]) -> Iterator[str]:
    """Add triggers, without the endpoints that are not readable, and say so."""
    last = max((trigger.position for trigger in draft.triggers.values()), default=0)
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict):
            raise RefusedError(text("The clipboard must contain a list of triggers."), "clip")
        made = insertion.build_trigger(
            document, insertion.free_key(str(document.get("key", document.get("kind"))), draft.triggers)
        )
        endpoint = made.config.get("endpoint", UNCHOSEN)
        if not isinstance(endpoint, str):
            raise RefusedError(text("The webhook endpoint of a trigger must be text."), "clip")
        if endpoint not in {UNCHOSEN, *readable}:
            made = replace(made, config={**made.config, "endpoint": UNCHOSEN})
            yield text(
                "%(trigger)s: choose a webhook. You cannot view the payloads of the original one.", trigger=made.label
            )
        draft.triggers[made.key] = replace(made, position=last + number * GAP)


def delete_step(draft: Draft, request: requests.Delete) -> EditResult:
    """A step and all inside it."""
    node, siblings = find_step(draft, request.key), draft.siblings(find_step(draft, request.key).place)
    at = [each.key for each in siblings].index(node.key)
    beside = siblings[at - 1].key if at else siblings[1].key if len(siblings) > 1 else node.parent
    removed = draft.subtree(node.key)
    draft.remove(removed)
    if len(removed) == 1:
        return EditResult(text("Deleted %(step)s", step=node.label), beside)
    words = ntext(
        "Deleted %(step)s with %(count)s step inside",
        "Deleted %(step)s with %(count)s steps inside",
        len(removed) - 1,
        step=node.label,
    )
    return EditResult(words, beside)


def wrap_step(draft: Draft, request: requests.Wrap) -> EditResult:
    """A step into a new container."""
    node = find_step(draft, request.key)
    if request.items and request.kind != "for_each":
        raise RefusedError(text("Only a loop over a list has items."), "items")
    items = {"items": request.items} if request.items else {}
    document = {"kind": request.kind, "key": "new", **insertion.initial_settings(request.kind), **items}
    made = insertion.build_node(document, insertion.free_key(request.kind, draft.steps))
    draft.steps[made.key] = replace(made, parent=node.parent, slot=node.slot, position=node.position)
    draft.steps[node.key] = replace(node, parent=made.key, slot=made.slots[0], position=GAP)
    container = marked(KIND_LABELS[request.kind])
    return EditResult(text("Wrapped %(step)s in %(container)s", step=node.label, container=container), made.key)


def unwrap_step(draft: Draft, request: requests.Unwrap) -> EditResult:
    """Replace a container by the steps inside it."""
    node = find_step(draft, request.key)
    lists = draft.lists()
    full = [slot for slot in node.slots if (node.key, slot) in lists]
    if not full:
        raise RefusedError(text("%(step)s is empty. Delete it instead.", step=node.label), "key")
    if len(full) > 1:
        reason = text(
            "Several routes of %(step)s contain steps, and all of them would run. Keep steps in one route only.",
            step=node.label,
        )
        raise RefusedError(reason, "key")
    at = [each.key for each in draft.siblings(node.place)].index(node.key)
    inner = lists[node.key, full[0]]
    del draft.steps[node.key]
    for number, each in enumerate(inner):
        draft.place_at(each, node.place, at + number)
    return EditResult(text("Unwrapped %(step)s", step=node.label), inner[0].key)
