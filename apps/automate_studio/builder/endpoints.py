"""A webhook trigger's endpoint in the builder: what is shown of it, and one that is made in place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from automate_core import endpoints
from automate_core.authoring import NotPermittedError
from automate_core.drafts import commands, requests
from automate_core.drafts.commands import State
from automate_core.models import WebhookEndpoint, Workflow
from automate_core.webhooks.examples import curl
from automate_core.webhooks.generic import ConfiguredScheme
from automate_core.webhooks.schemes import SCHEMES, SchemeError, scheme_for
from automate_core.webhooks.signing import SignatureScheme
from automate_governance.models import StoredSecret
from automate_governance.permissions import Person, User, can
from automate_plugins.fields import FieldKind, FieldSpec
from automate_studio import words
from automate_studio.builder.forms import Told
from automate_studio.builder.setup import Field


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An endpoint beside its trigger. `secret` is there only in the answer to whoever has just made it."""

    slug: str
    url: str
    name: str
    signed: bool
    enabled: bool
    kind: str
    may_read: bool
    example: str
    secret: str = ""
    about: dict[str, int] = field(default_factory=dict)


def shown(slug: str, user: User, event_type: str, *, secret: str = "") -> Shown | None:
    """What is shown of an endpoint: nothing of one that is not there, or not this person's to see."""
    endpoint = WebhookEndpoint.objects.filter(slug=slug).first() if slug else None
    if endpoint is None or not (can(user, "view", endpoint) or can(user, "view_payload", endpoint)):
        return None
    url = endpoints.url(endpoint)
    try:
        scheme = scheme_for(endpoint.scheme, endpoint.config)
    except SchemeError:
        return None
    return Shown(
        slug=slug,
        url=url,
        name=scheme.name,
        signed=scheme.signed,
        enabled=endpoint.enabled,
        kind=_kind(scheme),
        may_read=can(user, "view_payload", endpoint),
        example=curl(scheme, url, event_type=event_type, secret=secret),
        secret=secret if scheme.signed else "",
        about={"pk": endpoint.pk} if can(user, "view", endpoint) else {},
    )


def _kind(scheme: SignatureScheme) -> str:
    """Where the type of an event comes from, in words."""
    if not isinstance(scheme, ConfiguredScheme):
        return f"As the sender names it: {scheme.kind.replace('`', '')}."
    header, path = scheme.rules.event_header, scheme.rules.event_field
    if header or path:
        return f"As it stands in the header {header}." if header else f"As it stands in the body at {path}."
    return "Deliveries here have no type: leave it empty."


# --- made in place ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Creating:
    """The form of a new endpoint. `configs` are (scheme, its fields), of which those of the chosen one are seen."""

    fields: dict[str, Field]
    configs: list[tuple[str, list[Field]]]
    shown_by: list[tuple[str, str]]
    error: str = ""


@dataclass(frozen=True)
class Filled:
    """What somebody filled in, and what is wrong with it, by field; empty for the whole."""

    values: Mapping[str, str]
    errors: Mapping[str, str]


def creating(workflow: Workflow, key: str, user: User, filled: Filled | None = None) -> Creating | None:
    """The form for the trigger of that key, as it was filled in; None for who may make no endpoints."""
    if not (can(user, "add", WebhookEndpoint) and can(user, "add", StoredSecret)):
        return None
    given, wrong = (filled.values, filled.errors) if filled else ({}, {})

    def drawn(name: str, label: str, value: str = "", **options: Any) -> Field:
        text = given.get(name, value)
        return Field(
            id=f"new-{key}-{name}",
            name=name,
            label=label,
            value=text,
            told=Told(wrong[name]) if name in wrong else None,
            **options,
        )

    schemes = [(code, scheme.name) for code, scheme in SCHEMES.items()]
    return Creating(
        fields={
            "scheme": drawn("scheme", "Sender", "github", kind="choice", choices=schemes),
            "slug": drawn("slug", "Address", _free_slug(workflow), help="The last part of /hooks/ADDRESS/."),
            "secret": drawn("secret", "Secret", kind="password", help="Leave it empty to have one made."),
        },
        configs=[
            (code, [_config_field(drawn, code, spec) for spec in scheme.config_fields])
            for code, scheme in SCHEMES.items()
            if scheme.config_fields
        ],
        shown_by=[(code, scheme.shown_by) for code, scheme in SCHEMES.items() if scheme.shown_by],
        error=wrong.get("", ""),
    )


def _config_field(drawn: Any, code: str, spec: FieldSpec) -> Field:
    default = "" if spec.default is None else str(spec.default)
    kind = {FieldKind.CHOICE: "choice", FieldKind.INTEGER: "number"}.get(spec.kind, "text")
    made: Field = drawn(f"{code}.{spec.name}", spec.label, default, kind=kind, choices=spec.choices, help=spec.help)
    return made


def _free_slug(workflow: Workflow) -> str:
    """A short address that is not taken, after the workflow's name."""
    stem = slugify(workflow.name)[:60].strip("-_") or "webhook"
    taken = set(WebhookEndpoint.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    return next(slug for slug in _numbered(stem) if slug not in taken)


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1


class NotMadeError(Exception):
    """An endpoint that was not made: reasons by field, empty for the whole."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


def make(workflow: Workflow, key: str, post: Mapping[str, str], *, by: Person) -> tuple[State, str]:
    """Make the endpoint of a form and give it to the trigger, as one: (the draft, the secret if one was made here).

    Raises NotMadeError, NotPermittedError, and EditError when the draft has changed.
    """
    scheme = post.get("scheme", "")
    slug = post.get("slug", "").strip()
    if not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", slug) or len(slug) > 100:
        raise NotMadeError({"slug": "Small letters, digits and single hyphens, such as new-orders."})
    config = _config(scheme, post)
    try:
        rules = scheme_for(scheme, config)
    except SchemeError as error:
        raise NotMadeError({_field_of(error, scheme): words.sentence(str(error))}) from error
    given = post.get("secret", "").strip()
    fresh = _fresh(rules) if rules.signed and not given else ""
    secret = (given or fresh) if rules.signed else None
    edit = {"do": "edit_trigger", "key": key, "rev": post.get("rev", ""), "set": {"endpoint": slug}}
    try:
        with transaction.atomic():
            endpoints.save(slug, scheme=scheme, config=config, secret=secret, actor=by, new=True)
            state = commands.do(workflow.pk, requests.read(edit, lax=True), by=by)
    except SchemeError as error:
        raise NotMadeError({_field_of(error, scheme): words.sentence(str(error))}) from error
    except ValidationError as error:
        raise NotMadeError(_by_field(error)) from error
    except IntegrityError as error:  # somebody else was as fast
        raise NotMadeError({"slug": f"/hooks/{slug}/ is taken: choose another address."}) from error
    except NotPermittedError as error:
        raise NotMadeError({"": words.sentence(str(error))}) from error
    return state, fresh


def _by_field(error: ValidationError) -> dict[str, str]:
    told = {name: " ".join(reasons) for name, reasons in error.message_dict.items()}
    return {name if name in {"slug", "secret", "scheme"} else "": text for name, text in told.items()}


def _fresh(rules: Any) -> str:
    if rules.shown_by:
        raise NotMadeError({"secret": f"Paste the sender's secret. {rules.shown_by}"})
    secret: str = rules.new_secret()
    return secret


def _field_of(error: SchemeError, scheme: str) -> str:
    """The field of the form that is at fault; a scheme's own settings are named in the reason."""
    if error.field != "config":
        return error.field
    fields = SCHEMES[scheme].config_fields if scheme in SCHEMES else ()
    named = [spec.name for spec in fields if spec.name in str(error)]
    return f"{scheme}.{named[0]}" if named else ""


def _config(scheme: str, post: Mapping[str, str]) -> dict[str, Any]:
    """What the form says of the scheme's own settings, without what goes without saying. Raises NotMadeError."""
    found: dict[str, Any] = {}
    for spec in SCHEMES[scheme].config_fields if scheme in SCHEMES else ():
        text = post.get(f"{scheme}.{spec.name}", "")
        text = text if spec.name == "prefix" else text.strip()
        if "\0" in text or len(text) > 200:
            raise NotMadeError({f"{scheme}.{spec.name}": "A text of at most 200 characters."})
        if spec.kind is FieldKind.INTEGER:
            if text and not (text.isascii() and text.isdigit() and len(text) < 9):
                raise NotMadeError({f"{scheme}.{spec.name}": "A whole number of seconds."})
            value: Any = int(text or 0)
        else:
            value = text
        if f"{scheme}.{spec.name}" in post and value != ("" if spec.default is None else spec.default):
            found[spec.name] = value
    return found
