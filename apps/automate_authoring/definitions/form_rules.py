"""Checks of the forms in a definition: their fields, and the addresses and times of hosted forms."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import urlsplit

import msgspec

from automate_core.conf import setting
from automate_core.definition import form_validation
from automate_core.definition.document import HOSTED_KINDS, FormField, FormTrigger, Problem
from automate_plugins import text

#: The kinds whose answers can be limited by `minimum` and `maximum`.
LIMITED_KINDS = frozenset({"text", "long_text", "number", "choices", "file"})
#: Addresses below `/forms/` that are no form's.
RESERVED_SLUGS = frozenset({"answer", "page"})
_ACCEPTED = re.compile(r"\.[a-z0-9]{1,10}|[a-z]+/(\*|[a-z0-9.+-]+)")
#: Behind `*.`, two labels at least: all sites of a top-level domain are nobody's.
_ORIGIN = re.compile(r"https?://(\*\.[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9-]+(\.[a-z0-9-]+)*)(:\d{1,5})?")


def field_problems(
    fields: Sequence[FormField], place: str, *, hosted: bool = False, is_rendered: bool = False
) -> Iterator[Problem]:
    """Faults of the fields of a form.

    Only a `hosted` one may have fields of the HOSTED_KINDS, and limits. Only in one that `is_rendered`, that of a step,
    a default may be an expression.
    """
    names: set[str] = set()
    for index, field in enumerate(fields):
        here = f"{place}[{index}]"
        if field.name in names:
            yield Problem(
                f"{here}.name", text("The name %(field)s is already used by another field.", field=repr(field.name))
            )
        names.add(field.name)
        if field.kind in HOSTED_KINDS and not hosted:
            yield Problem(f"{here}.kind", text("Only hosted forms can have fields of this type."))
        if field.kind in {"choice", "choices"} and not field.choices:
            yield Problem(f"{here}.choices", text("Add at least one choice."))
        elif field.choices and field.kind not in {"choice", "choices"}:
            yield Problem(f"{here}.choices", text("Only fields of the kind choice can have choices."))
        yield from _limit_problems(field, here, hosted)
        if field.default is not None and (reason := _default_problem(field, is_rendered)):
            yield Problem(f"{here}.default", reason)


def _default_problem(field: FormField, is_rendered: bool) -> str:
    """What is wrong with the value that a field begins with; empty when nothing is."""
    if field.kind in {"file", "consent"}:
        return text("A file and a consent have no value to start with.")
    if isinstance(field.default, str) and "{{" in field.default:
        return "" if is_rendered else text("Only forms of steps can start with an expression. Enter a value.")
    is_accepted = form_validation.default_value(msgspec.to_builtins(field), field.default) is not None
    return "" if is_accepted else text("The value to start with is not one that the field accepts.")


def _limit_problems(field: FormField, place: str, hosted: bool) -> Iterator[Problem]:
    for name in ("minimum", "maximum"):
        if getattr(field, name) is not None and (field.kind not in LIMITED_KINDS or not hosted):
            yield Problem(
                f"{place}.{name}",
                text("Only texts, numbers, choices and files of hosted forms can have a limit."),
            )
            return
    if field.minimum is not None and field.maximum is not None and field.minimum > field.maximum:
        yield Problem(f"{place}.maximum", text("The maximum is less than the minimum."))
    if field.accept and field.kind != "file":
        yield Problem(f"{place}.accept", text("Only files can have accepted types."))
    for accepted in field.accept:
        if not _ACCEPTED.fullmatch(accepted.lower()):
            yield Problem(
                f"{place}.accept",
                text("%(value)s is not a file type such as .pdf or image/*.", value=repr(accepted)),
            )


def form_problems(trigger: FormTrigger, place: str) -> Iterator[Problem]:
    """Faults of a hosted form that can be seen without the database."""
    if trigger.slug in RESERVED_SLUGS:
        yield Problem(f"{place}.slug", text("The address %(slug)s is reserved. Choose another one.", slug=trigger.slug))
    if not trigger.inputs:
        yield Problem(f"{place}.inputs", text("Add at least one field."), missing=True)
    yield from field_problems(trigger.inputs, f"{place}.inputs", hosted=True)
    if trigger.redirect and (reason := redirect_problem(trigger.redirect)):
        yield Problem(f"{place}.redirect", reason)
    for origin in trigger.origins:
        if not _ORIGIN.fullmatch(origin):
            yield Problem(
                f"{place}.origins",
                text("%(value)s is not an origin such as https://www.example.com.", value=repr(origin)),
            )
    if trigger.origins and trigger.access == "signed_in":
        yield Problem(
            f"{place}.origins",
            text("A form for signed-in people cannot be embedded: browsers send no session to frames of other sites."),
        )
    if trigger.closes_at:
        try:
            dt.datetime.fromisoformat(trigger.closes_at)
        except ValueError:
            yield Problem(
                f"{place}.closes_at",
                text("%(value)s is not a date and time such as 2026-12-24T18:00.", value=repr(trigger.closes_at)),
            )


def redirect_problem(address: str) -> str:
    """Why people cannot be sent to an address after they answered a form; empty when they can."""
    allowed: Collection[str] = setting("AUTOMATE_FORM_REDIRECT_HOSTS")
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    has_faults = parts.scheme != "https" or not host or "@" in parts.netloc or re.search(r"[\s\\\x00-\x1f]", address)
    if has_faults:
        return text("Use an address that begins with https://.")
    if host not in {each.lower() for each in allowed}:
        return text(
            "The host %(host)s is not in AUTOMATE_FORM_REDIRECT_HOSTS. Ask an administrator to add it.", host=host
        )
    return ""
