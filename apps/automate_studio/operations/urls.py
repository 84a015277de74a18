"""URLs of the site status, retention, personal data, pools and plug-ins."""

from __future__ import annotations

from automate_studio.operations import personal_data, plugins
from automate_studio.operations.pools import pool_list
from automate_studio.operations.retention import retention_page
from automate_studio.operations.site_status import site_status
from automate_ui.view_access import staff

urlpatterns = [
    staff("site-status/", site_status, "site_status"),
    staff("retention/", retention_page, "retention"),
    staff("personal-data/", personal_data.personal_data, "personal_data"),
    staff("personal-data/<uuid:erasure_id>/", personal_data.erasure_page, "erasure"),
    staff("personal-data/<uuid:erasure_id>/progress/", personal_data.erasure_progress, "erasure_progress"),
    staff("personal-data/<uuid:erasure_id>/stop/", personal_data.erasure_stop, "erasure_stop"),
    staff("pools/", pool_list, "pool_list"),
    staff("plugins/", plugins.plugin_list, "plugin_list"),
]
