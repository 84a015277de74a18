"""URLs of pages that several screens lead to."""

from __future__ import annotations

from django.db.models import Model

from automate_governance.admin_site import reverse


def change_url(row: Model) -> str:
    """URL of the admin's page of an object. Raises NoReverseMatch where the admin has none."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
