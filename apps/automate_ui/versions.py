"""Published versions, cached per process, since a version never changes."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping

from automate_authoring.field_labels import field_label
from automate_authoring.publishing import differences
from automate_core.definition.document import Definition, DefinitionError, ForEachStep, RepeatStep, Step
from automate_core.definition.parsing import parse
from automate_core.definition.slots import slots
from automate_core.models import WorkflowVersion

MOST = 1_000
_WORDS = (field_label("name"), field_label("notes"))  #: fields of a step that only people read
_known: dict[int, Definition] = {}


def version_definitions(version_ids: Iterable[int]) -> dict[int, Definition]:
    """Definitions of those versions, in one query for the ones not cached yet."""
    wanted = set(version_ids)
    found = {pk: _known[pk] for pk in wanted & _known.keys()}
    if missing := wanted - found.keys():
        read = {version.pk: _parse_version(version) for version in WorkflowVersion.snapshots.filter(pk__in=missing)}
        if len(_known) + len(read) > MOST:
            _known.clear()
        _known.update(read)
        found |= read
    return found


@functools.lru_cache(maxsize=256)
def version_differences(before: int, after: int) -> Mapping[str, str]:
    """By key of the steps that were changed or removed between two versions: `changed` or `removed`."""
    read = version_definitions([before, after])
    found = differences.find_differences(read[before], read[after])
    return {each.key: each.kind for each in found if each.table == "step" and each.kind != "added"}


@functools.lru_cache(maxsize=256)
def changed_outputs(before: int, after: int) -> frozenset[str]:
    """Keys of the steps in both versions that may give another output in the later: more than their words changed."""
    read = version_definitions([before, after])
    found = differences.find_differences(read[before], read[after])
    return frozenset(
        each.key
        for each in found
        if each.table == "step" and each.kind == "changed" and any(field.name not in _WORDS for field in each.fields)
    )


def _parse_version(version: WorkflowVersion) -> Definition:
    """Its definition; an empty one when it can no longer be read."""
    try:
        return parse(version.definition)
    except DefinitionError:
        return Definition(name=version.workflow.name, slug=version.workflow.slug)


def step_paths(steps: list[Step], prefix: str = "") -> Iterator[str]:
    """Path of every step in reading order, as runs record them, without the contents of loops."""
    for step in steps:
        yield f"{prefix}{step.key}"
        for slot in () if isinstance(step, ForEachStep | RepeatStep) else slots(step):
            yield from step_paths(slot.steps, f"{prefix}{step.key}/")
