"""The allow-list of the host's models for workflows: the setting AUTOMATE_MODELS, read and checked.

    AUTOMATE_MODELS = {
        "shop.Order": {"read": ["number", "status", "total"], "write": ["status"], "delete": False},
    }

Workflows can neither show, search nor sort by other fields, even when they run as a superuser. The primary key may
always be read, under the name `pk`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import FieldDoesNotExist
from django.db import DEFAULT_DB_ALIAS, models, router

from automate_governance import sensitive

_OPTIONS = {"read", "write", "delete"}
_OWN = "automate_"

type Field = models.Field[Any, Any]


class AllowlistError(ValueError):
    """An invalid entry of the setting; the message says what to fix."""


@dataclass(frozen=True)
class AllowedModel:
    """A model with its readable and writable columns by name, and whether its rows may be deleted."""

    model: type[models.Model]
    read: Mapping[str, Field]
    write: Mapping[str, Field]
    delete: bool

    @property
    def label(self) -> str:
        """`app.model`, in lower case."""
        return self.model._meta.label_lower


def allowed_models() -> dict[str, AllowedModel]:
    """Return the models of the setting by label; invalid entries are left to the system check."""
    return {entry.label: entry for entry in _entries() if isinstance(entry, AllowedModel)}


def check_allowlist(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E001: an entry of AUTOMATE_MODELS names a missing model or field, or a model that is not the host's."""
    hint = 'Use entries such as "app.Model": {"read": ["name", ...], "write": ["name", ...], "delete": False}.'
    return [
        Error(f"AUTOMATE_MODELS: {entry}.", hint=hint, id="automate_connectors.E001")
        for entry in _entries()
        if isinstance(entry, AllowlistError)
    ]


def check_sensitive_models(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W003: an entry exposes secrets or permissions."""
    hint = "Remove it unless all workflow authors may access it. SILENCED_SYSTEM_CHECKS silences this warning."
    return [
        Warning(f"AUTOMATE_MODELS: {entry.model._meta.label} {why}.", hint=hint, id="automate_connectors.W003")
        for entry in allowed_models().values()
        if (why := sensitive.exposure_risk(entry.model, entry.read, entry.write))
    ]


def _entries() -> Iterator[AllowedModel | AllowlistError]:
    entries = getattr(settings, "AUTOMATE_MODELS", {})
    if not isinstance(entries, Mapping):
        yield AllowlistError("the setting must be a mapping of models")
        return
    for label, options in entries.items():
        try:
            yield _read(label, options)
        except AllowlistError as error:
            yield error


def _read(label: Any, options: Any) -> AllowedModel:
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise AllowlistError(f"the model {label!r} does not exist") from error
    if model._meta.app_label.startswith(_OWN):
        raise AllowlistError(f"{label} belongs to Django Automate; workflows cannot access it")
    if not isinstance(options, Mapping) or options.keys() - _OPTIONS:
        raise AllowlistError(f"the entry of {label} must be a mapping with only read, write and delete")
    if len(model._meta.pk_fields) != 1:
        raise AllowlistError(f"{label} must have a single primary key")
    if router.db_for_write(model) != DEFAULT_DB_ALIAS:
        raise AllowlistError(f"{label} is in another database; only models of the default database are supported")
    return AllowedModel(
        model,
        read=_fields(model, options.get("read", ())),
        write=_fields(model, options.get("write", ())),
        delete=options.get("delete") is True,
    )


def _fields(model: type[models.Model], names: Any) -> dict[str, Field]:
    label, meta = model._meta.label, model._meta
    if not isinstance(names, list | tuple):
        raise AllowlistError(f"the fields of {label} must be lists of names")
    found: dict[str, Field] = {}
    for name in names:
        try:
            field = meta.get_field(name)
        except (FieldDoesNotExist, TypeError) as error:
            raise AllowlistError(f"{label} has no field {name!r}") from error
        if not isinstance(field, models.Field) or field not in meta.concrete_fields:
            raise AllowlistError(f"{name} of {label} is not a column")
        found[field.name] = field
    return found
