"""What a request asks for, as the database can be asked: numbers that fit, text without what cannot be stored."""

from __future__ import annotations

import uuid
from typing import cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from automate_core.models import ExecutionRun, Workflow
from automate_governance.permissions import Person, can, permitted


def current_person(request: HttpRequest) -> Person:
    """Who asks, in a view that nobody reaches without signing in."""
    return cast(Person, request.user)


def parse_number(text: str | None) -> int | None:
    """A count, a page or a key of up to nine digits; None for anything else."""
    return int(text) if text and len(text) < 10 and text.isascii() and text.isdigit() else None


def parse_uuid(text: str | None) -> uuid.UUID | None:
    """The key of a run, an event or a message; None for anything else."""
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None


def clean_text(text: str | None) -> str:
    """A search, or a name in a filter."""
    return (text or "").replace("\0", "").strip()[:100]


def get_run_or_404(request: HttpRequest, run_id: uuid.UUID) -> ExecutionRun:
    """The run, without what its page shows of it; 404 for one that this person may not know."""
    found = ExecutionRun.objects.select_related("workflow")
    return get_object_or_404(permitted(request.user, "view", found), pk=run_id)


def get_editable_workflow(request: HttpRequest, pk: int) -> Workflow:
    """The workflow, when this person may change it; 404 for what they may not know."""
    found = Workflow.objects.select_related("run_as", "owner", "published")
    known = get_object_or_404(permitted(request.user, "view", found), pk=pk)
    if not can(request.user, "change", known):
        raise PermissionDenied
    return known
