"""Connections as people create and change them: the rules of the form and of the API."""

from __future__ import annotations

import secrets
from collections.abc import Container, Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from automate_connectors import health
from automate_connectors.models import Connection
from automate_connectors.oauth import tokens
from automate_connectors.oauth.form_fields import OAUTH_SECRETS, OAUTH_TEXTS
from automate_connectors.oauth.grant_binding import issuer_hash, terms_hash
from automate_governance import audit
from automate_governance.models import StoredSecret
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.secrets.storing import create_secret
from automate_governance.secrets.use import find_forbidden_references
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.fields import FieldKind
from automate_plugins.texts import marked

_OAUTH = "oauth_"  #: before the name of a secret of the sign-in
_UNAUDITED = ("owner", "created_at", "updated_at")


def free_secret_name(slug: str, what: str, others: Container[str] = ()) -> str:
    """A name that no secret has, for what a connection stores; none of `others` either."""
    base = f"{slug or 'connection'}-{what.replace('_', '-')}"[:90]
    taken = set(StoredSecret.objects.filter(name__startswith=base).values_list("name", flat=True))
    names = (base, *(f"{base}-{number}" for number in range(2, 10_000)))
    return next(name for name in names if name not in taken and name not in others)


@sensitive_variables("values")
def create_connection(connection: Connection, values: Mapping[str, str], *, by: Person) -> None:
    """Save a new connection of `by`. `values` are new secrets by the names of its settings, `oauth_` for its sign-in's.

    Raises NotPermittedError, ValidationError.
    """
    if not can(by, "add", Connection):
        raise NotPermittedError(text("%(person)s needs the permission to add connections.", person=sign_in_name(by)))
    _check_and_save(connection, values, by=by)


@sensitive_variables("values")
@transaction.atomic
def change_connection(
    connection: Connection, changes: Mapping[str, Any], values: Mapping[str, str], *, by: Person
) -> Connection:
    """Change fields of a connection. Of a mapping, members that are given replace the present ones, and None removes.

    Raises NotPermittedError, ValidationError, and ConnectorError while another process renews its sign-in.
    """
    found = Connection.objects.select_for_update(of=("self",), no_key=True).get(pk=connection.pk)
    if not can(by, "change", found):
        raise NotPermittedError(
            text("%(person)s needs the permission to change %(object)s.", person=sign_in_name(by), object=str(found))
        )
    if found.oauth or changes.get("oauth"):
        tokens.lock_token(found)  # before the rows of its secrets, as everywhere
    for name, value in changes.items():
        if isinstance(value, dict):
            merged = {**getattr(found, name), **value}
            value = {key: member for key, member in merged.items() if member is not None}
        setattr(found, name, value)
    _check_and_save(found, values, by=by)
    return found


@sensitive_variables()
def _check_and_save(connection: Connection, values: Mapping[str, str], *, by: Person) -> None:
    new: dict[str, str] = {}
    for name, value in values.items():
        document, member = _place_of(connection, name)
        key = free_secret_name(connection.slug, member, {each.partition(":")[2] for each in new})
        document[member] = f"database:{key}"
        new[document[member]] = value
    known = {*OAUTH_TEXTS, *OAUTH_SECRETS, "parameters"}
    if unknown := sorted(connection.oauth.keys() - known):
        reason = text(
            "There is no field %(field)s here. Available: %(names)s.",
            field=repr(unknown[0]),
            names=", ".join(sorted(known)),
        )
        raise ValidationError({"oauth": translated(reason)})
    connection.full_clean(exclude=["owner"])
    bound = {
        name: [each for each in listed if each not in new]
        for name, listed in connection.references().items()
        if name != "oauth_token"
    }
    for name, reason in find_forbidden_references(by, bound):
        raise ValidationError({"oauth" if name.startswith(_OAUTH) else "config": translated(reason)})
    save_connection(connection, new, by=by)


def _place_of(connection: Connection, name: str) -> tuple[dict[str, Any], str]:
    """The document that has a secret, and the name there. Raises ValidationError."""
    if name.startswith(_OAUTH) and (member := name.removeprefix(_OAUTH)) in OAUTH_SECRETS:
        return connection.oauth, member
    settings = [each.name for each in connection.installed_adapter().config_fields if each.kind is FieldKind.SECRET]
    if name not in settings:
        possible = ", ".join([*settings, *(f"{_OAUTH}{each}" for each in OAUTH_SECRETS)])
        reason = text("There is no secret %(name)s here. Available: %(names)s.", name=repr(name), names=possible)
        raise ValidationError({"secrets": translated(reason)})
    return connection.config, name


@sensitive_variables("new_secrets")
@transaction.atomic
def save_connection(connection: Connection, new_secrets: Mapping[str, str], *, by: Person) -> None:
    """Save a valid connection with the new secrets that it refers to, by their references; `by` owns what is new.

    Its health is reset when its terms changed. The caller holds the lock on its tokens. Audited.
    """
    before = None if connection.pk is None else Connection.objects.get(pk=connection.pk)
    _store_secrets(connection, new_secrets.items(), by)
    if before is None:
        connection.owner = by
    connection.save()
    changes = audit.differences(before or Connection(), connection, without=_UNAUDITED)
    audit.record(by, f"connection.{'changed' if before else 'created'}", connection, changes=changes)
    if before is not None and terms_hash(before) != terms_hash(connection):
        _reset(before, connection, by)


@sensitive_variables()
def _store_secrets(connection: Connection, new: Iterable[tuple[str, str]], by: Person) -> None:
    for reference, value in new:
        name = reference.partition(":")[2]
        try:
            with transaction.atomic():
                create_secret(name, value, by=by, used_by=connection.slug)
        except (IntegrityError, ValidationError):
            if not StoredSecret.objects.filter(name=name).exists():
                raise
            other = f"{name[:90]}-{secrets.token_hex(4)}"  # another request took the name since it was found free
            create_secret(other, value, by=by, used_by=connection.slug)
            for document in (connection.config, connection.oauth):
                document.update({key: f"database:{other}" for key, each in document.items() if each == reference})


def _reset(before: Connection, after: Connection, by: Person) -> None:
    """Handle changed terms: end the sign-in where it no longer holds, and reset the health."""
    ended = tokens.end_sign_in_if_moved(before, after, by)
    setup = after.sign_in
    if setup is None or not setup.needs_person:
        health.reset_health(after)
    elif ended or issuer_hash(before) != issuer_hash(after):
        health.require_reconnect(after, text("The settings were changed. Reconnect the connection."))
    if ended:
        audit.record(by, "connection.signed_out", after, changes={"because": marked(text("its settings were changed"))})
