"""Who else has a draft open: told by their pages, gone when those fall silent, and told to nobody who may not edit."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone
from guardian.shortcuts import assign_perm, remove_perm

from automate_studio.models import Presence
from tests.support.builder import Builder
from tests.support.pages import Page
from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine(workflow, sign_in, owner):
    return Builder(sign_in(owner), workflow(TRIAGE))


@pytest.fixture
def theirs(mine, sign_in, colleague):
    for verb in ("view_workflow", "change_workflow"):
        assign_perm(verb, colleague, mine.workflow)
    return Builder(sign_in(colleague), mine.workflow)


def tell(builder, step="", **fields):
    return builder.client.post(builder.url("builder_presence"), {"step": step, **fields})


def others(builder, step=""):
    return {each["aria-label"]: each["data-at"] for _, each in Page(tell(builder, step)).tags if "data-at" in each}


def test_one_sees_who_else_is_there_and_where(mine, theirs):
    assert others(mine) == {}
    tell(theirs, "route/tell")
    assert others(mine, "look") == {"colleague is here, at Tell": "tell"}
    tell(theirs, "~trigger")
    assert others(mine) == {"colleague is here, at the triggers": "~trigger"}
    tell(theirs, "gone/step")
    assert others(mine) == {"colleague is here": "step"} and Presence.objects.count() == 2


def test_who_falls_silent_or_leaves_is_gone(mine, theirs):
    tell(theirs, "look")
    Presence.objects.exclude(person__username="owner").update(seen_at=timezone.now() - dt.timedelta(seconds=31))
    assert others(mine) == {} and Presence.objects.get().person.username == "owner", "and forgotten"
    tell(theirs, "look")
    assert tell(theirs, leave="1").status_code == 204
    assert others(mine) == {}


def test_who_may_edit_no_more_neither_tells_nor_is_told(mine, theirs, colleague):
    tell(mine, "look")
    remove_perm("change_workflow", colleague, mine.workflow)
    answer = tell(theirs, "look")
    assert answer.status_code == 403 and "owner" not in answer.content.decode()
    assert others(mine) == {}
    assert mine.client.get(mine.url("builder_presence")).status_code == 405


def test_what_a_page_tells_is_taken_as_text(mine, theirs, django_assert_max_num_queries):
    tell(theirs, '"><script>window.hacked=1</script>' + "x" * 200)
    with django_assert_max_num_queries(10):
        answer = tell(mine)
    assert "<script" not in answer.content.decode() and answer.status_code == 200
    assert tell(theirs, "a\0b").status_code == 200


@pytest.mark.extended
def test_the_page_learns_that_others_went_on(mine, theirs):
    seen = int(mine.state()["data-seen"])
    theirs.do("delete", key="last")
    assert int(Page(tell(mine)).ids["presence"]["data-rev"]) == seen + 1
    assert int(mine.state()["data-seen"]) == seen + 1
