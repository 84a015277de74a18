"""The list of runs."""

from __future__ import annotations

import re
import uuid

from django.urls import reverse

from tests.support.pages import Page

RUN_LIST = reverse("admin:automate_core_executionrun_changelist")


def runs_shown(answer):
    """The runs that a page shows, in order."""
    return [uuid.UUID(name[4:]) for name in Page(answer).ids if re.fullmatch(r"run-[0-9a-f-]{36}", name)]
