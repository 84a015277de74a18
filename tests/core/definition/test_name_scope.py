"""One algorithm says which names an expression can use: validation accepts what the scope holds, and nothing else."""

from __future__ import annotations

import itertools
import re

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from automate_authoring.definitions.scope import scope_at, scope_at_condition
from automate_authoring.definitions.validation import find_problems
from automate_core.definition.document import ActionStep, RepeatStep
from automate_core.definition.parsing import parse, to_document
from automate_core.definition.slots import StepIndex, slots, with_slot

CALL = {"action": "data.set"}
KINDS = ("action", "caught", "branch", "parallel", "for_each", "repeat", "try", "approval", "wait")
LOCAL_NAMES = ("item", "index", "error")


@st.composite
def definitions(draw):
    """A definition of steps of all kinds, some of them disabled, two lists deep."""
    numbers = itertools.count(1)

    def steps(depth):
        return [step(depth) for _ in range(draw(st.integers(1, 2)))]

    def named(depth):
        return [{"key": name, "steps": steps(depth)} for name in ("a", "b")]

    def step(depth):
        kind = draw(st.sampled_from(KINDS)) if depth else "action"
        found = {"key": f"s{next(numbers)}", "disabled": draw(st.booleans()), "kind": kind}
        match kind:
            case "action":
                return found | CALL
            case "caught":
                return found | CALL | {"kind": "action", "on_error": {"steps": steps(depth - 1)}}
            case "branch":
                routes = [route | {"when": True} for route in named(depth - 1)]
                how = draw(st.sampled_from(["first", "all"]))
                return found | {"match": how, "arms": routes, "otherwise": steps(depth - 1)}
            case "parallel":
                return found | {"arms": named(depth - 1)}
            case "for_each":
                return found | {"items": [1], "steps": steps(depth - 1)}
            case "repeat":
                return found | {"until": True, "maximum": 2, "steps": steps(depth - 1)}
            case "try":
                inner = {name: steps(depth - 1) for name in ("steps", "on_error", "always")}
                return found | inner
            case "approval":
                asked = {"assignees": ["ada"], "timeout": "1h", "on_timeout": steps(depth - 1)}
                return found | asked | {"outcomes": named(depth - 1)}
        return found | {"callback": True, "timeout": "1h", "on_timeout": steps(depth - 1)}

    return parse({"name": "Flow", "slug": "flow", "steps": steps(2)})


@settings(max_examples=25, deadline=None)
@given(definitions())
def test_validation_accepts_exactly_the_names_of_the_scope(definition):
    keys = [position.step.key for position in StepIndex(definition.steps)]
    refused = _refused_names(find_problems(_naming_everything(definition, keys)))
    for position in StepIndex(definition.steps):
        key, names = position.step.key, refused.get(position.place, set())
        if isinstance(position.step, ActionStep):
            scope = scope_at(definition, key)
            assert set(keys) - names == scope.step_keys
            assert set(LOCAL_NAMES) - names == scope.names & set(LOCAL_NAMES)
        elif isinstance(position.step, RepeatStep):
            assert set(keys) - names == scope_at_condition(definition, key).step_keys


def _refused_names(problems):
    """The names that validation refuses in the inputs or the condition of each step, by its place."""
    found = {}
    for problem in problems:
        place = re.fullmatch(r"(.*)\.(inputs|until)\b.*", problem.path)
        name = re.search(r"no step '(\w+)' comes before|there is no '(\w+)' here|^steps\.(\w+)", problem.reason)
        if place and name:
            found.setdefault(place[1], set()).add(name[1] or name[2] or name[3])
    return found


def _naming_everything(definition, keys):
    """The same definition, in which every action and every repeat names each step and each local name."""
    inputs = {key: f"{{{{ steps.{key}.output }}}}" for key in keys} | {
        name: f"{{{{ {name} }}}}" for name in LOCAL_NAMES
    }
    until = {"or": [{"var": f"steps.{key}.output"} for key in keys]}
    document = to_document(definition)
    waiting = list(document["steps"])
    while waiting:
        step = waiting.pop()
        if step.get("kind") == "action":
            step["inputs"] = inputs
        elif step.get("kind") == "repeat":
            step["until"] = until
        lists = [step, *step.get("arms", []), *step.get("outcomes", []), step.get("on_error")]
        for holder in (each for each in lists if isinstance(each, dict)):
            for name in ("steps", "otherwise", "on_error", "always", "on_timeout"):
                waiting += holder[name] if isinstance(holder.get(name), list) else []
    return parse(document)


@settings(max_examples=20, deadline=None)
@given(definitions())
def test_a_slot_is_read_back_as_it_was_set(definition):
    other = [msgspec.structs.replace(definition.steps[0], key="other")]
    for position in StepIndex(definition.steps):
        for slot in slots(position.step):
            changed = {each.key: each.steps for each in slots(with_slot(position.step, slot.key, other))}
            assert changed == {each.key: each.steps for each in slots(position.step)} | {slot.key: other}
            assert with_slot(position.step, slot.key, slot.steps) == position.step


@settings(max_examples=20, deadline=None)
@given(definitions())
def test_the_index_finds_every_step_where_it_stands(definition):
    for position in StepIndex(definition.steps):
        assert position.siblings[position.index] is position.step
        assert [*(parent.key for parent in position.parents), position.step.key] == list(position.path)
        if position.parent is not None:
            assert position.siblings is position.slot.steps and position.slot in slots(position.parent)
