"""The check of published workflows that store files where the project has no storage for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.db import DEFAULT_DB_ALIAS

from automate_connectors.registry import find_action
from automate_core.conf import setting
from automate_core.definition.document import ActionStep, Definition, DefinitionError, FormTrigger
from automate_core.definition.parsing import parse
from automate_core.definition.slots import walk
from automate_core.models import Workflow
from automate_plugins.fields import FieldKind


def check_file_steps() -> list[CheckMessage]:
    """W076: published workflows use files, which need a storage. Asks the database."""
    alias = setting("AUTOMATE_DOCUMENTS_STORAGE")
    if alias in settings.STORAGES:
        return []
    active = Workflow.objects.using(DEFAULT_DB_ALIAS).filter(status=Workflow.Status.ACTIVE, published__isnull=False)
    rows = active.order_by("slug").values_list("slug", "published__definition")
    slugs = [slug for slug, document in rows.iterator(chunk_size=100) if _stores_files(document)]
    if not slugs:
        return []
    more = f" and {len(slugs) - 3} more" if len(slugs) > 3 else ""
    return [
        Warning(
            f"The published workflows {', '.join(slugs[:3])}{more} use files, and STORAGES has no {alias!r}.",
            hint=f"Add {alias!r} to STORAGES, without a public address. Until then, steps that store files fail.",
            id="automate_core.W076",
        )
    ]


def _stores_files(document: Any) -> bool:
    try:
        return any(_file_places(parse(document)))
    except DefinitionError:  # of an older or a newer version, which the checks of the command do not judge
        return False


def _file_places(definition: Definition) -> Iterator[str]:
    for trigger in definition.enabled_triggers:
        if isinstance(trigger, FormTrigger):
            yield from (field.name for field in trigger.inputs if field.kind == "file")
    for place, step in walk(definition.steps):
        if isinstance(step, ActionStep) and _uses_files(step):
            yield place


def _uses_files(step: ActionStep) -> bool:
    """Whether its action returns a file, or it sets an input that takes one."""
    try:
        _, action = find_action(step.action)
    except LookupError:
        return False
    returned = any(field.kind is FieldKind.FILE for field in action.outputs)
    return returned or any(field.kind is FieldKind.FILE and field.name in step.inputs for field in action.fields or ())
