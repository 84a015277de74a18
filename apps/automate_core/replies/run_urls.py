"""The URL of a run's page."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.urls import NoReverseMatch

from automate_governance.admin_site import reverse


def run_url(run_id: uuid.UUID | str) -> str:
    """The URL of a run's page; empty on a site without the studio."""
    try:
        return f"{settings.AUTOMATE_SITE_URL}{reverse('admin:automate_core_executionrun_change', args=[run_id])}"
    except NoReverseMatch:
        return ""
