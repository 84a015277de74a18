"""An action that did nothing is not reported as a success."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from automate_core.models import Workflow
from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db


def _levels(answer):
    assert answer.status_code in {302, 303}, answer.content
    return [each.level_tag for each in get_messages(answer.wsgi_request)]


def test_dead_jobs_that_are_none_are_not_requeued_in_green(admin, sign_in):
    assert _levels(sign_in(admin).post(reverse("studio:jobs_requeue"))) == ["warning"]


def test_an_overlap_that_ended_before_is_not_ended_in_green(endpoint, owner, sign_in):
    end = reverse("studio:webhook_end_overlap", args=[endpoint.pk])
    assert _levels(sign_in(owner).post(end)) == ["warning"]


def test_a_version_that_the_draft_equals_is_not_restored_in_green(workflow, owner, sign_in):
    made = workflow(TRIAGE)
    restore = reverse("studio:version_restore", args=[made.pk, 1])
    answer = sign_in(owner).post(restore, {"rev": Workflow.objects.get(pk=made.pk).rev})
    assert _levels(answer) == ["warning"]


def test_no_sessions_are_not_ended_in_green(admin, stranger, sign_in):
    page = reverse("studio:account_sign_in", args=[stranger.pk])
    assert _levels(sign_in(admin).post(page, {"do": "end_sessions"})) == ["warning"]
