"""URLs of connections and OAuth sign-in."""

from __future__ import annotations

from automate_studio.connections import views as connections
from automate_ui.view_access import staff

urlpatterns = [
    staff("connections/<int:pk>/test/", connections.connection_test, "connection_test"),
    staff("connections/try/", connections.connection_try, "connection_try"),
    staff("connections/<int:pk>/try/", connections.connection_try, "connection_try_change"),
    staff("connections/<int:pk>/sign-in/", connections.oauth_start, "oauth_start"),
    staff("oauth/callback/", connections.oauth_callback, "oauth_callback"),
]
