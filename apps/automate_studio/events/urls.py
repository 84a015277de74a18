"""URLs of the event inbox."""

from __future__ import annotations

from automate_studio.events import page
from automate_studio.events.bulk_replay import events_replay
from automate_studio.events.page import rejected_list
from automate_ui.view_access import staff

urlpatterns = [
    staff("events/replay/", events_replay, "events_replay"),
    staff("events/rejected/", rejected_list, "event_rejected"),
    staff("events/<uuid:event_id>/replay/", page.event_replay, "event_replay"),
    staff("events/<uuid:event_id>/value/", page.event_value, "event_value"),
    staff("events/<uuid:event_id>/download/", page.event_download, "event_download"),
    staff("events/<uuid:event_id>/sample/", page.event_sample, "event_sample"),
    staff("workflows/<int:pk>/check/", page.event_check, "event_check"),
]
