"""The names of steps as people read them: on screens and in messages."""

from __future__ import annotations

import functools

from automate_core.definition.document import Definition, DefinitionError
from automate_core.definition.parsing import parse
from automate_core.definition.slots import walk
from automate_core.definition.step_paths import key_of
from automate_core.models import WorkflowVersion
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.texts import marked, verbatim

#: Names that a new approval has, in English as they are stored: people read them in their language.
_DEFAULT_NAMES = {"Approval": text("Approval"), "Approve": text("Approve"), "Reject": text("Reject")}


def title_of_key(key: str) -> str:
    """`add_to_backlog` as `Add to backlog`."""
    return key.replace("_", " ").capitalize()


def shown_name(name: str) -> str:
    """A name of a step or an outcome as people read it: a default one in the active language, their own as it is."""
    return translated(marked_name(name))


def marked_name(name: str) -> str:
    """A name as `shown_name` reads it, as a marked text that is translated where it is shown."""
    return marked(_DEFAULT_NAMES[name]) if name in _DEFAULT_NAMES else verbatim(name)


def step_name(definition: Definition | None, path: str) -> str:
    """The name of the step at a path or with a key, the same everywhere: its own, else its key as a title."""
    key = key_of(path)
    steps = walk(definition.steps) if definition else ()
    return next((step.name for _, step in steps if step.key == key and step.name), "") or title_of_key(key)


def step_name_in(version_id: int, path: str) -> str:
    """The name of a step of a published version, which never changes. One query for a version that was not read yet."""
    return step_name(_definition(version_id), path)


def names_in(version_id: int) -> dict[str, str]:
    """The names of all steps of a published version, by key."""
    definition = _definition(version_id)
    return {step.key: step.name or title_of_key(step.key) for _, step in walk(definition.steps if definition else [])}


@functools.lru_cache(maxsize=256)
def _definition(version_id: int) -> Definition | None:
    """None when it can no longer be read."""
    try:
        return parse(WorkflowVersion.snapshots.values_list("definition", flat=True).get(pk=version_id))
    except (WorkflowVersion.DoesNotExist, DefinitionError):
        return None
