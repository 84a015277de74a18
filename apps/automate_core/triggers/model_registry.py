"""The host's models that workflows may start from: the setting AUTOMATE_MODEL_TRIGGERS, read and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from automate_core.conf import setting
from automate_core.definition.document import ModelTrigger, Problem
from automate_core.definition.validators import validates
from automate_governance import sensitive
from automate_plugins import text

MODES = ("signal", "database")
ALL = "__all__"


@dataclass(frozen=True)
class WatchedModel:
    """A model, the fields of it that events may hold, and how its changes are detected."""

    model: type[models.Model]
    fields: tuple[models.Field[Any, Any], ...]
    mode: str

    @property
    def label(self) -> str:
        """`app.model`, in lower case."""
        return self.model._meta.label_lower

    @property
    def source(self) -> str:
        """The source of its events."""
        return model_source(self.label)


class WatchedModelError(ValueError):
    """An invalid entry of the setting; the message says what to fix."""


def model_source(label: str) -> str:
    """The source of the events of a model."""
    return f"model:{label.lower()}"


def view_permission(label: str) -> str:
    """The permission that workflows need which start from a model. Raises LookupError for an unknown model."""
    meta = apps.get_model(label)._meta
    return f"{meta.app_label}.{get_permission_codename('view', meta)}"


def watched_models(mode: str | None = None) -> list[WatchedModel]:
    """The models of the setting, or those of one mode. Invalid entries are left to the system check."""
    found = [entry for entry in _read_entries() if isinstance(entry, WatchedModel)]
    return [entry for entry in found if mode in {None, entry.mode}]


def check_model_triggers(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E001: an entry of AUTOMATE_MODEL_TRIGGERS names a model or field that does not exist."""
    hint = 'An entry is "app.Model": {"fields": ["name", ...] or "__all__", "mode": "signal" or "database"}.'
    return [
        Error(f"AUTOMATE_MODEL_TRIGGERS: {entry}.", hint=hint, id="automate_core.E001")
        for entry in _read_entries()
        if isinstance(entry, WatchedModelError)
    ]


def check_sensitive_models(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W002: the events of an entry hold secrets, or say who may do what."""
    hint = "Remove it unless everyone who builds workflows may see this data. SILENCED_SYSTEM_CHECKS silences this."
    return [
        Warning(f"AUTOMATE_MODEL_TRIGGERS: {entry.model._meta.label} {why}.", hint=hint, id="automate_core.W002")
        for entry in watched_models()
        if (why := sensitive.exposure_risk(entry.model, [field.name for field in entry.fields]))
    ]


@validates(ModelTrigger)
def model_problems(trigger: ModelTrigger, place: str) -> Iterator[Problem]:
    """The settings say which models and fields there are to watch."""
    fields = {entry.label: [field.name for field in entry.fields] for entry in watched_models()}
    known = fields.get(trigger.model.lower())
    if known is None:
        there = ", ".join(sorted(fields)) or "-"
        reason = text(
            "AUTOMATE_MODEL_TRIGGERS does not list '%(model)s'. Listed: %(models)s.", model=trigger.model, models=there
        )
        yield Problem(f"{place}.model", reason)
        return
    for index, name in enumerate(trigger.fields):
        if name not in known:
            reason = text(
                "The field '%(name)s' of %(model)s is not watched. Watched: %(fields)s.",
                name=name,
                model=trigger.model,
                fields=", ".join(known),
            )
            yield Problem(f"{place}.fields[{index}]", reason)


def _read_entries() -> Iterator[WatchedModel | WatchedModelError]:
    entries = setting("AUTOMATE_MODEL_TRIGGERS")
    if not isinstance(entries, Mapping):
        yield WatchedModelError("it must be a mapping of models")
        return
    for label, options in entries.items():
        try:
            yield _read_entry(label, options)
        except WatchedModelError as error:
            yield error


def _read_entry(label: Any, options: Any) -> WatchedModel:
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError, AttributeError) as error:
        raise WatchedModelError(f"model {label!r} does not exist") from error
    if not isinstance(options, Mapping) or "fields" not in options or options.keys() - {"fields", "mode"}:
        raise WatchedModelError(f"the entry of {label} must have fields and can have a mode, nothing else")
    mode = options.get("mode", "signal")
    if mode not in MODES:
        raise WatchedModelError(f"the mode of {label} must be one of {', '.join(MODES)}, not {mode!r}")
    if model._meta.proxy or not model._meta.managed or len(model._meta.pk_fields) != 1:
        raise WatchedModelError(f"{label} must have its own table with a single primary key")
    return WatchedModel(model, _find_fields(model, options["fields"], mode), mode)


def _find_fields(model: type[models.Model], names: Any, mode: str) -> tuple[models.Field[Any, Any], ...]:
    label, meta = model._meta.label, model._meta
    there = meta.local_concrete_fields if mode == "database" else meta.concrete_fields
    if names == ALL:
        return tuple(there)
    if not isinstance(names, list | tuple) or not names:
        raise WatchedModelError(f'the fields of {label} must be a list of names, or "{ALL}"')
    found = []
    for name in names:
        try:
            field = meta.get_field(name)
        except FieldDoesNotExist as error:
            raise WatchedModelError(f"{label} has no field {name!r}") from error
        if not isinstance(field, models.Field) or field not in there:
            raise WatchedModelError(
                f"{name} is not a column of the table of {label} and cannot be watched in this mode"
            )
        found.append(field)
    return tuple(found)
