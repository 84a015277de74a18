"""What all our management commands have in common: they speak English, whatever the language of the site is.

Their own words are for logs, scripts and CI. Messages that screens show as well would else come in another language.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import translation


class EnglishCommand(BaseCommand):
    """A command whose output and errors are in English."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        with translation.override(None):
            return super().execute(*args, **options)
