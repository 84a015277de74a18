"""The site as a host that lets workflows write one of its models."""

from __future__ import annotations

from automate_site.settings import *  # noqa: F403 - settings of a host that takes over all of the site's

AUTOMATE_MODELS = {"auth.Group": {"read": ["name"], "write": ["name"]}}
