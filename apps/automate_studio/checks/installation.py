"""Checks of what is installed: apps and their order, templates, static files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.checks import CheckMessage, Error

from automate_governance.app_config import REQUIRED
from automate_plugins.documentation import doc

#: The apps that pages use, in the order of INSTALLED_APPS.
RINGS = ("automate_authoring", "automate_operations", "automate_pools", "automate_telemetry", "automate_ui")
_APPS = (
    *REQUIRED,
    "unfold",
    "django.contrib.admin",
    "django_htmx",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
)
_PROCESSORS = (
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
)
_DOCS = f"{doc('in-your-project')} shows"


def check_apps(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E010: an app is missing. E011: Unfold stands behind the admin."""
    names = [config.name for config in apps.get_app_configs()]
    found: list[CheckMessage] = [
        Error(f"{name} is not in INSTALLED_APPS.", hint=f"{_DOCS} all apps, in order.", id="automate_core.E010")
        for name in _APPS
        if name not in names
    ]
    if missing := [name for name in RINGS if name not in names]:
        lines = "".join(f'\n    "{name}",' for name in missing)
        message = f"Apps of Automate are not in INSTALLED_APPS: {', '.join(missing)}."
        hint = f'Add these lines after "automate_core":{lines}'
        found.append(Error(message, hint=hint, id="automate_core.E010"))
    if {"unfold", "django.contrib.admin"} <= set(names) and names.index("unfold") > names.index("django.contrib.admin"):
        hint = 'Put "unfold" before "django.contrib.admin": the first app\'s templates win.'
        found.append(Error("unfold is listed after django.contrib.admin.", hint=hint, id="automate_core.E011"))
    return found


def check_templates(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E012: Django's engine does not find templates of apps. E013: a context processor is missing."""
    given: list[dict[str, Any]] = settings.TEMPLATES
    engines = [one for one in given if one["BACKEND"].endswith(".DjangoTemplates")]
    if not any(_finds_apps(engine) for engine in engines):
        hint = 'Set "APP_DIRS": True in TEMPLATES, or add django.template.loaders.app_directories.Loader.'
        return [Error("TEMPLATES does not find the templates of apps.", hint=hint, id="automate_core.E012")]
    processors = {name for engine in engines for name in engine.get("OPTIONS", {}).get("context_processors", ())}
    return [
        Error(f"The context processor {name} is missing.", hint="Add it to TEMPLATES.", id="automate_core.E013")
        for name in _PROCESSORS
        if name not in processors
    ]


def _finds_apps(engine: dict[str, Any]) -> bool:
    return bool(engine.get("APP_DIRS")) or any("app_directories" in str(name) for name in _loaders(engine))


def _loaders(engine: dict[str, Any]) -> Iterator[Any]:
    """The loaders of an engine, and those inside of the caching one."""
    for loader in engine.get("OPTIONS", {}).get("loaders", ()):
        yield from (loader if isinstance(loader, list | tuple) else [loader])


def check_static_files(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E014: there is no STATIC_URL. E015: our static files are not found."""
    if not settings.STATIC_URL:
        return [Error("STATIC_URL is not set.", hint='Set STATIC_URL = "static/".', id="automate_core.E014")]
    if not finders.find("automate_studio/shared/base.css"):
        hint = "Add django.contrib.staticfiles.finders.AppDirectoriesFinder to STATICFILES_FINDERS."
        return [Error("Automate's static files are not found.", hint=hint, id="automate_core.E015")]
    return []
