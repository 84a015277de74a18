"""The tables of 0001 to 0030 in one step, for a new database.

The functions, the storage parameters and the index of words are those of 0002 to 0004. What repairs stored rows (0003,
0005, 0006, 0008) or gives a permission to a role (0007) is left out: a new database has no rows, and its roles are
created with all permissions.
"""

from importlib import import_module

from django.conf import settings
from django.db import migrations

from automate_core.migrations.tables_0030 import (
    bulk,
    events,
    executors,
    files,
    forms,
    mail,
    notifications,
    polls,
    retention,
    runs,
    service_webhooks,
    statistics,
    telemetry,
    waits,
    workflows,
)
from automate_governance.migrations.operations import CreateModels

_clock_and_storage = import_module("automate_core.migrations.0002_clock_and_storage")
_time_ordered_ids = import_module("automate_core.migrations.0003_time_ordered_ids")
_subject_lines = import_module("automate_core.migrations.0004_subject_lines")

TABLES = [
    *bulk.TABLES,
    *events.TABLES,
    *executors.TABLES,
    *files.TABLES,
    *forms.TABLES,
    *mail.TABLES,
    *notifications.TABLES,
    *polls.TABLES,
    *retention.TABLES,
    *runs.TABLES,
    *service_webhooks.TABLES,
    *statistics.TABLES,
    *telemetry.TABLES,
    *waits.TABLES,
    *workflows.TABLES,
]


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("automate_core", "0001_initial"),
        ("automate_core", "0002_clock_and_storage"),
        ("automate_core", "0003_time_ordered_ids"),
        ("automate_core", "0004_subject_lines"),
        ("automate_core", "0005_reruns_on_their_originals"),
        ("automate_core", "0006_events_of_endpoints"),
        ("automate_core", "0007_operate_workflows"),
        ("automate_core", "0008_versions_run_as"),
        ("automate_core", "0009_order_of_workflows"),
        ("automate_core", "0010_open_approvals_keep_their_people"),
        ("automate_core", "0011_keys_of_deliveries"),
        ("automate_core", "0012_translated_names"),
        ("automate_core", "0013_translated_edits"),
        ("automate_core", "0014_workflows_for_agents"),
        ("automate_core", "0015_translated_messages_of_versions"),
        ("automate_core", "0016_replies_to_callers"),
        ("automate_core", "0017_translated_reasons"),
        ("automate_core", "0018_stored_files"),
        ("automate_core", "0019_api_sources_and_token_limits"),
        ("automate_core", "0020_polls"),
        ("automate_core", "0021_channels_of_plugins"),
        ("automate_core", "0022_hosted_forms"),
        ("automate_core", "0023_rate_limits"),
        ("automate_core", "0024_inbound_mail"),
        ("automate_core", "0025_service_webhooks"),
        ("automate_core", "0026_trace_exports"),
        ("automate_core", "0027_handed_out_steps"),
        ("automate_core", "0028_poll_tests"),
        ("automate_core", "0029_pool_notifications"),
        ("automate_core", "0030_announced_changes"),
    ]
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("automate_governance", "0010_tokens_of_audit_entries"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        CreateModels(TABLES),
        *_clock_and_storage.Migration.operations,
        migrations.RunSQL(_time_ordered_ids.UUID7, "DROP FUNCTION automate_uuid7(timestamptz)"),
        migrations.RunSQL(_subject_lines.INDEX, "DROP INDEX runs_by_words_of_subject"),
    ]
