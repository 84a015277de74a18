"""URLs of tasks: for everyone who has signed in, staff or not."""

from __future__ import annotations

from django.urls import path

from automate_studio.tasks import views as tasks
from automate_ui.view_access import signed_in

urlpatterns = [
    path("approvals/", signed_in(tasks.approval_list), name="approval_list"),
    path("approvals/<uuid:wait_id>/", signed_in(tasks.approval_page), name="approval_page"),
    path("approvals/<uuid:wait_id>/delegate/", signed_in(tasks.approval_delegate), name="approval_delegate"),
    path("approvals/<uuid:wait_id>/names/", signed_in(tasks.approval_names), name="approval_names"),
    path("approvals/hand-over/", signed_in(tasks.approvals_hand_over), name="approvals_hand_over"),
    path("approvals/<uuid:wait_id>/reassign/", signed_in(tasks.approval_reassign), name="approval_reassign"),
]
