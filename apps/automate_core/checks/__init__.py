"""System checks of a project's wiring. docs/settings.md lists their ids.

None of them asks the database, except those that Django runs with `--database` and at `migrate`.
"""

from __future__ import annotations

from django.core.checks import register

from automate_core.checks import (
    databases,
    deployment,
    people,
    pools,
    serving,
    setting_names,
    storage,
    stored_files,
    urls,
)
from automate_core.checks import setting_values as values
from automate_core.events import event_types
from automate_governance.database_checks import register_database_checks

_CHECKS = (
    databases.check_engine,
    databases.check_kept_connections,
    databases.check_options,
    databases.check_routers,
    databases.check_time_zones,
    storage.check_storage,
    people.check_backends,
    people.check_user_model,
    pools.check_pools,
    serving.check_asgi,
    serving.check_worker,
    serving.check_pool,
    setting_names.check_names,
    urls.check_site_url,
    urls.check_urls,
    values.check_values,
)


def register_all() -> None:
    """Register every check of this package: `manage.py check --tag automate` runs them alone."""
    for check in _CHECKS:
        register(check, "automate")
    register_database_checks(
        databases.check_version,
        databases.check_release,
        databases.check_captures,
        event_types.check_published_types,
        stored_files.check_file_steps,
    )
    register(deployment.check_deployment, "automate", deploy=True)
