"""The site as a host whose groups start workflows, and that lets them query its own database."""

from __future__ import annotations

from automate_site.settings import *  # noqa: F403 - settings of a host that takes over all of the site's

AUTOMATE_MODEL_TRIGGERS = {"auth.Group": {"fields": ["name"]}}
