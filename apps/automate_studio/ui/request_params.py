"""Request parameters in forms that the database accepts: bounded numbers, text without NUL."""

from __future__ import annotations

import uuid
from typing import cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from automate_core.models import ExecutionRun, Workflow
from automate_governance.permissions import Person, can, permitted


def current_person(request: HttpRequest) -> Person:
    """The signed-in user, in views that require sign-in."""
    return cast(Person, request.user)


def parse_number(text: str | None) -> int | None:
    """A count, page or key of up to nine digits; None for anything else."""
    return int(text) if text and len(text) < 10 and text.isascii() and text.isdigit() else None


def parse_uuid(text: str | None) -> uuid.UUID | None:
    """Key of a run, an event or a notification; None for anything else."""
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None


def clean_text(text: str | None) -> str:
    """Text of a search or a filter."""
    return (text or "").replace("\0", "").strip()[:100]


def get_run_or_404(request: HttpRequest, run_id: uuid.UUID) -> ExecutionRun:
    """The run without the page's data; 404 for one that this person may not view."""
    found = ExecutionRun.objects.select_related("workflow")
    return get_object_or_404(permitted(request.user, "view", found), pk=run_id)


def get_workflow_or_404(request: HttpRequest, pk: int) -> Workflow:
    """The workflow; 404 for one that this person may not view."""
    return get_object_or_404(permitted(request.user, "view", Workflow.objects.all()), pk=pk)


def get_editable_workflow(request: HttpRequest, pk: int) -> Workflow:
    """The workflow, if this person may change it; 404 if they may not view it."""
    found = Workflow.objects.select_related("run_as", "owner", "published")
    known = get_object_or_404(permitted(request.user, "view", found), pk=pk)
    if not can(request.user, "change", known):
        raise PermissionDenied
    return known
