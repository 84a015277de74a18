"""URL of the page of all triggers."""

from __future__ import annotations

from automate_studio.triggers.views import trigger_list
from automate_ui.view_access import staff

urlpatterns = [staff("triggers/", trigger_list, "trigger_list")]
