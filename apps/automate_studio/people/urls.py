"""URLs of handing over an account."""

from __future__ import annotations

from automate_studio.people.hand_over import hand_over
from automate_studio.ui.view_access import staff

urlpatterns = [
    staff("people/<str:pk>/hand-over/", hand_over, "hand_over"),
]
