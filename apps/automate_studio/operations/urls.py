"""URLs of the site status, retention, pools and plug-ins."""

from __future__ import annotations

from automate_studio.operations import plugins
from automate_studio.operations.pools import pool_list
from automate_studio.operations.retention import retention_page
from automate_studio.operations.site_status import site_status
from automate_studio.ui.view_access import staff

urlpatterns = [
    staff("site-status/", site_status, "site_status"),
    staff("retention/", retention_page, "retention"),
    staff("pools/", pool_list, "pool_list"),
    staff("plugins/", plugins.plugin_list, "plugin_list"),
]
