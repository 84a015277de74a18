"""URLs of pages that several screens lead to."""

from __future__ import annotations

from urllib.parse import urlencode

from django.db.models import Model

from automate_governance.admin_site import reverse
from automate_operations.runs.open_reviews import RUNS_TO_REVIEW


def change_url(row: Model) -> str:
    """URL of the admin's page of an object. Raises NoReverseMatch where the admin has none."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def runs_to_review_url(**filters: str) -> str:
    """URL of the runs that wait for a review."""
    return f"{reverse('admin:automate_core_executionrun_changelist')}?{urlencode({**RUNS_TO_REVIEW, **filters})}"
