"""URLs of notification rules and messages."""

from __future__ import annotations

from automate_studio.notifications import views as notifications
from automate_studio.notifications.views import notification_resend, rule_action
from automate_ui.view_access import staff

urlpatterns = [
    staff("notifications/", notifications.site_notifications, "notifications"),
    staff("notifications/new/", notifications.rule_new, "rule_new"),
    staff("notifications/<int:rule_id>/", notifications.rule_edit, "rule_edit"),
    staff("notifications/<int:rule_id>/do/", rule_action, "rule_action"),
    staff("notifications/sent/<uuid:notification_id>/again/", notification_resend, "notification_resend"),
    staff("workflows/<int:pk>/notifications/", notifications.workflow_notifications, "workflow_notifications"),
    staff("workflows/<int:pk>/notifications/new/", notifications.rule_new, "workflow_rule_new"),
    staff("workflows/<int:pk>/notifications/<int:rule_id>/mute/", notifications.rule_mute, "rule_mute"),
]
