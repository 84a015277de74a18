"""Webhook endpoint created in the builder for a trigger, by the form of its own page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from automate_authoring.drafts import commands, requests
from automate_authoring.drafts.commands import DraftState
from automate_authoring.slugs import slug_like
from automate_core.admin import WebhookEndpointForm, form_for
from automate_core.models import WebhookEndpoint, Workflow
from automate_core.webhooks.schemes.registry import SchemeError
from automate_governance.models import StoredSecret
from automate_governance.permissions import NotPermittedError, Person, User, can
from automate_ui.fields import FieldMessage
from automate_ui.formatting import as_sentence
from automate_ui.objects.form_view import Section
from automate_ui.webhook_form import SchemeNote, scheme_notes, webhook_sections


@dataclass(frozen=True, kw_only=True)
class EndpointFormView:
    """Form of a new webhook endpoint; its `message` is of no field."""

    sections: list[Section]
    notes: list[SchemeNote]
    message: FieldMessage | None
    refused: bool


class InvalidEndpointError(Exception):
    """The endpoint was not created; `form` has the reasons by field."""

    def __init__(self, form: WebhookEndpointForm) -> None:
        super().__init__(str(form.errors.as_json()))
        self.form = form


def endpoint_form(
    workflow: Workflow, key: str, user: User, form: WebhookEndpointForm | None = None
) -> EndpointFormView | None:
    """Form for the trigger with that key, with what was entered; None without permission to create endpoints."""
    if not (can(user, "add", WebhookEndpoint) and can(user, "add", StoredSecret)):
        return None
    drawn = form or _bind_form(workflow, key, user)
    errors = " ".join(str(error) for error in drawn.non_field_errors())
    return EndpointFormView(
        sections=webhook_sections(drawn),
        notes=scheme_notes(drawn),
        message=FieldMessage(errors) if errors else None,
        refused=drawn.is_bound,
    )


def create_endpoint(workflow: Workflow, key: str, post: Mapping[str, Any], *, by: Person) -> tuple[DraftState, str]:
    """Create the endpoint and set it on the trigger in one step: (draft, secret if one was generated).

    Raises InvalidEndpointError, and EditError when the draft has changed.
    """
    form = _bind_form(workflow, key, by, post)
    if not form.is_valid():
        raise InvalidEndpointError(form)
    slug = form.cleaned_data["slug"]
    edit = {"do": "edit_trigger", "key": key, "rev": post.get("rev", ""), "set": {"endpoint": slug}}
    try:
        with transaction.atomic():
            form.store()
            state = commands.run_command(workflow.pk, requests.read_request(edit, lax=True), by=by)
    except SchemeError as error:
        form.add_error(error.field if error.field in form.fields else None, as_sentence(str(error)))
    except ValidationError as error:
        form.add_error(None, " ".join(error.messages))
    except IntegrityError:  # another request took it first
        form.add_error("slug", _("This URL is already taken. Choose another one."))
    except NotPermittedError as error:
        form.add_error(None, as_sentence(str(error)))
    else:
        return state, form.fresh
    raise InvalidEndpointError(form)


def _bind_form(workflow: Workflow, key: str, user: User, post: Mapping[str, Any] | None = None) -> WebhookEndpointForm:
    initial = None if post is not None else {"slug": _free_slug(workflow)}
    return form_for(cast(Person, user))(post, initial=initial, auto_id=f"new-{key}-%s")


def _free_slug(workflow: Workflow) -> str:
    """A free slug made from the workflow's name."""
    stem = slug_like(workflow.name, most=60) or "webhook"
    taken = set(WebhookEndpoint.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    return next(slug for slug in _numbered_slugs(stem) if slug not in taken)


def _numbered_slugs(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1
