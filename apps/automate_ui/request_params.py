"""Runs and workflows of a request, as far as its person may know them."""

from __future__ import annotations

import uuid

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from automate_core.models import ExecutionRun, Workflow
from automate_governance.permissions import can, permitted


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
