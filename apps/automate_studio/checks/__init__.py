"""System checks of what pages need of a project. docs/settings.md lists their ids."""

from __future__ import annotations

from django.core.checks import register

from automate_studio.checks import admin_site, installation, requests, sessions, sign_in

_CHECKS = (
    admin_site.check_pages,
    admin_site.check_admin_site,
    admin_site.check_model_admins,
    installation.check_apps,
    installation.check_templates,
    installation.check_static_files,
    requests.check_middleware,
    requests.check_order,
    requests.check_content_policy,
    sessions.check_sessions,
    sign_in.check_login_url,
    sign_in.check_sign_in_name,
)


def register_all() -> None:
    """Register every check of this package: `manage.py check --tag automate` runs them with those of the other apps."""
    for check in _CHECKS:
        register(check, "automate")
    register(requests.check_policy_is_sent, "automate", deploy=True)
