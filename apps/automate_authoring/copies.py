"""Copies of workflows, imported or made: they start nothing by themselves until a person turns their triggers on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from automate_authoring import workflows
from automate_authoring.drafts import rows
from automate_authoring.drafts.values import Draft
from automate_authoring.publishing.shared_triggers import find_shared_triggers
from automate_core.definition.document import Definition
from automate_core.models import Trigger, Workflow
from automate_governance import audit
from automate_governance.permissions import NotPermittedError, Person, can, permitted
from automate_plugins import text

_LONGEST_STEM = 170  # characters of a name before "(copy)"
_BY_HAND = Trigger.Kind.MANUAL.value  # people start a copy only on purpose


@dataclass(frozen=True)
class Copied:
    """A new draft, and the keys of its triggers that are off."""

    workflow: Workflow
    off: tuple[str, ...]


@transaction.atomic
def copy_workflow(source: Workflow, *, by: Person, name: str = "") -> Copied:
    """Copy a workflow's draft as a new one of `by`, with all triggers off but manual ones. Raises NotPermittedError.

    Without a name it gets that of `copy_name`. What `by` may not use, such as a connection, stays named in the copy
    and keeps it from being published.
    """
    if not can(by, "view", source):
        raise NotPermittedError(text("You need the View permission for the workflow %(slug)s.", slug=source.slug))
    draft = rows.load_draft(source)
    off = {key: node for key, node in draft.triggers.items() if node.kind != _BY_HAND}
    triggers = {key: replace(node, config={**node.config, "disabled": True}) for key, node in off.items()}
    agents = draft.settings.agents
    if isinstance(agents, dict) and agents.get("enabled", True):
        agents = {**agents, "enabled": False}  # agents start workflows by themselves, too
    settings = replace(draft.settings, name=name or copy_name(draft.settings.name, by), agents=agents)
    made = _store(replace(draft, settings=settings, triggers={**draft.triggers, **triggers}), by)
    audit.record(by, "workflow.copied", made, changes={"from": source.slug})
    return Copied(made, tuple(off))


@transaction.atomic
def import_draft(definition: Definition, *, by: Person) -> Copied:
    """Create a new draft of `by` out of a file. Under a slug that is taken it is a copy, with all triggers off but
    manual ones; otherwise those are off that would start it together with another workflow.

    Raises NotPermittedError, and DefinitionError for what cannot be stored.
    """
    if Workflow.objects.filter(slug=definition.slug).exists():
        off = {each.key for each in definition.triggers if each.__struct_config__.tag != _BY_HAND}
    else:
        off = set(find_shared_triggers(definition, ""))
    triggers = [
        msgspec.structs.replace(each, disabled=True) if each.key in off else each for each in definition.triggers
    ]
    name = copy_name(definition.name, by) if _is_taken(definition.name, by) else definition.name
    made = workflows.start_draft(msgspec.structs.replace(definition, name=name, triggers=triggers), owner=by)
    return Copied(made, tuple(each.key for each in definition.triggers if each.key in off))


def copy_name(name: str, by: Person) -> str:
    """Return a name for a copy that no workflow has that `by` may view."""
    stem = name[:_LONGEST_STEM].rstrip()
    numbered = (_("%(name)s (copy %(number)s)") % {"name": stem, "number": number} for number in itertools.count(2))
    wishes = itertools.chain([_("%(name)s (copy)") % {"name": stem}], numbered)
    return next(wish for wish in wishes if not _is_taken(wish, by))


def off_note(off: Sequence[str]) -> str:
    """Return a sentence for people about triggers that are off; empty without any."""
    if not off:
        return ""
    return _("Its triggers are off, so that nothing runs twice. Turn them on when the workflow may start by itself.")


def _is_taken(name: str, by: Person) -> bool:
    return permitted(by, "view", Workflow.objects.filter(name=name)).exists()


def _store(draft: Draft, owner: Person) -> Workflow:
    """Store a draft under the next free slug."""
    for slug in workflows.free_slugs(draft.slug):
        try:
            with transaction.atomic():
                return workflows.create_from_draft(replace(draft, slug=slug), owner)
        except IntegrityError:
            if not Workflow.objects.filter(slug=slug).exists():
                raise
    raise AssertionError("there is always a free slug")
