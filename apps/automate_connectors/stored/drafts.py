"""Drafts of connectors: begun from an OpenAPI document, a `connector.yaml` or a version, and changed by commands.

A draft is text; each command reads it, changes its value and keeps the comments.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone
from ruamel.yaml.error import YAMLError

from automate_connectors.declared.openapi.actions import action_of, find_operation
from automate_connectors.declared.openapi.connector import connector_of, new_yaml, write
from automate_connectors.declared.openapi.proposals import idempotency_header, propose, takes_key
from automate_connectors.declared.openapi.reader import MAX_BYTES as MAX_OPENAPI_BYTES
from automate_connectors.declared.openapi.reader import Api
from automate_connectors.declared.yaml_files import MAX_BYTES, DocumentError, read_document
from automate_connectors.stored.building import OPENAPI_FILE
from automate_connectors.stored.documents import delete_unused_documents, store_document
from automate_connectors.stored.models import DeclaredConnector, DeclaredConnectorDraft
from automate_governance.permissions import SITE, NotPermittedError, Person, can
from automate_plugins import text

KEPT_DAYS = 30  #: drafts that nobody has changed for longer are deleted
MOST_OPERATIONS = 200  #: of one connector
MAX_YAML_BYTES = 5_000_000  #: of an OpenAPI document in YAML, which takes a second for each megabyte


class GoneError(Exception):
    """The draft or its connector was deleted meanwhile."""

    def __init__(self) -> None:
        super().__init__(text("The draft or its connector was deleted meanwhile. Nothing was saved."))


def check_administers(person: Person) -> None:
    """Raise NotPermittedError for people who do not administer the site."""
    if not can(person, "administer", SITE):
        raise NotPermittedError(text("You need the permission to administer the site."))


@transaction.atomic
def begin_draft(source: bytes, *, by: Person, base_url: str = "") -> DeclaredConnectorDraft:
    """Begin a draft from an OpenAPI document, with no operation chosen yet, or from a `connector.yaml`.

    `base_url` replaces an address that is not public. Raises NotPermittedError, and DocumentError for other texts.
    """
    check_administers(by)
    _delete_old_drafts()
    value = _read_either(source)
    if isinstance(value, dict) and "paths" not in value and ("format" in value or "actions" in value):
        draft = DeclaredConnectorDraft(author=by)
        change_text(draft, source.decode("utf-8-sig"), by=by)
        return draft
    api = Api(value)
    header = connector_of(api, [], base_url=base_url)
    document = store_document(api)
    written = write({**header, "openapi": OPENAPI_FILE}, str(document))
    return DeclaredConnectorDraft.objects.create(author=by, text=written, document=document)


@transaction.atomic
def edit_connector(connector: DeclaredConnector, *, by: Person) -> DeclaredConnectorDraft:
    """Return the person's draft of the connector's next version; a new one begins from the current version.

    Raises GoneError.
    """
    check_administers(by)
    if not DeclaredConnector.objects.select_for_update(no_key=True).filter(pk=connector.pk).exists():
        raise GoneError
    found = DeclaredConnectorDraft.objects.filter(connector=connector, author=by).first()
    current = connector.current
    if found is not None or current is None:
        return found or DeclaredConnectorDraft.objects.create(connector=connector, author=by, text="")
    return DeclaredConnectorDraft.objects.create(
        connector=connector, author=by, text=current.text, document_id=current.document_id, base=current.number
    )


def change_text(draft: DeclaredConnectorDraft, written: str, *, by: Person) -> None:
    """Replace the text, valid or not. Raises NotPermittedError, GoneError, DocumentError for one that is too large."""
    check_administers(by)
    if len(written.encode()) > MAX_BYTES:
        raise DocumentError(text("The file is larger than %(size)s MB.", size=MAX_BYTES // 1_000_000))
    draft.text = written.replace("\r\n", "\n")
    if draft.pk is None:
        draft.save()
    else:
        _update(draft, text=draft.text)


@transaction.atomic
def replace_document(draft: DeclaredConnectorDraft, source: bytes, *, by: Person) -> None:
    """Take operations from another OpenAPI document. Raises NotPermittedError, GoneError, DocumentError."""
    check_administers(by)
    draft.document = store_document(Api(_read_either(source)))
    _update(draft, document=draft.document)
    delete_unused_documents()


def add_operations(draft: DeclaredConnectorDraft, names: Iterable[str], *, by: Person) -> int:
    """Add an action for each of these operations that has none yet, and return how many. Raises DocumentError."""
    api, added = read_api(draft), 0
    has_keys = bool(idempotency_header(api, api.operations.values()))

    def add(value: Any) -> None:
        nonlocal added
        actions = value.setdefault("actions", [])
        present = {each.get("operation") for each in actions}
        for name in names:
            operation = find_operation(api, name)
            if name in present:
                continue
            made = action_of(api, operation, taken=[str(each.get("name")) for each in actions])
            proposed = propose(api, operation, made, value.get("headers") or ())
            if has_keys and not takes_key(api, operation):
                proposed["idempotent"] = False
            actions.append({"operation": name, "name": made["name"], "label": made["label"], **proposed})
            added += 1
        if len(actions) > MOST_OPERATIONS:
            raise DocumentError(text("A connector has at most %(maximum)s operations.", maximum=MOST_OPERATIONS))
        value["openapi"] = OPENAPI_FILE

    edit(draft, add, by=by)
    return added


def read_mapping(written: str) -> dict[str, Any]:
    """Return a text's mapping with a list of actions. Raises DocumentError."""
    value = read_document(written.encode("utf-8", "replace"))
    if isinstance(value, dict) and isinstance(value.get("actions") or [], list):
        return value
    raise DocumentError(text("The text must be a mapping. Edit it as YAML."))


def edit(draft: DeclaredConnectorDraft, change: Callable[[Any], None], *, by: Person) -> None:
    """Let `change` edit the value of the text, and write it back. Raises DocumentError for what is no mapping."""
    value = read_mapping(draft.text)
    yaml, out = new_yaml(), io.StringIO()
    try:  # the checked text again, with its comments, which JSON has not
        kept = value if draft.text.lstrip()[:1] == "{" else yaml.load(draft.text)
        if kept.get("actions") is None:
            kept["actions"] = []
        change(kept)
        yaml.dump(kept, out)
    except DocumentError:
        raise
    except (YAMLError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:  # of any shape
        raise DocumentError(text("A form cannot change this text. Edit it as YAML.")) from error
    change_text(draft, out.getvalue(), by=by)


def read_api(draft: DeclaredConnectorDraft) -> Api:
    """Return the OpenAPI document of a draft. Raises DocumentError where it has none."""
    if draft.document is None:
        raise DocumentError(text("There is no OpenAPI document. Add one, or write the action out."))
    return Api(draft.document.source)


@transaction.atomic
def discard_draft(draft: DeclaredConnectorDraft, *, by: Person) -> None:
    """Delete a draft. Raises NotPermittedError."""
    check_administers(by)
    draft.delete()
    delete_unused_documents()


def _update(draft: DeclaredConnectorDraft, **values: Any) -> None:
    """Write fields of a draft that is still there: saving the object would bring a deleted one back."""
    if not DeclaredConnectorDraft.objects.filter(pk=draft.pk).update(**values, updated_at=timezone.now()):
        raise GoneError


def _read_either(source: bytes) -> Any:
    """Return the value of a document in JSON or YAML. Raises DocumentError."""
    is_json = source.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
    if len(source) > MAX_YAML_BYTES and not is_json:
        size = MAX_YAML_BYTES // 1_000_000
        raise DocumentError(text("A YAML document is at most %(size)s MB here. Convert it to JSON.", size=size))
    return read_document(source, max_bytes=MAX_OPENAPI_BYTES)


def _delete_old_drafts() -> None:
    limit = timezone.now() - dt.timedelta(days=KEPT_DAYS)
    if DeclaredConnectorDraft.objects.filter(updated_at__lt=limit).delete()[0]:
        delete_unused_documents()
