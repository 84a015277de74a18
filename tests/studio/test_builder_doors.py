"""Every address of the builder, the review and the versions, asked as five people: who may change a draft is not who may
publish it, and who may only view it changes nothing."""

from __future__ import annotations

import re

import pytest
from guardian.shortcuts import assign_perm

from automate_core.models import DraftCommand, WorkflowVersion
from tests.studio.addresses import MATRIX
from tests.support.people import make_person

pytestmark = pytest.mark.django_db(transaction=True)

#: Where whoever may view and change the draft is answered otherwise than its owner, who may also publish it and view its
#: payloads.
EDITOR = {
    "review publish": 403,
    "version publish": 403,
    "builder sample choose": 403,
    "builder trigger event": 403,
    "builder trigger poll": 403,
    "builder trigger caught": 403,
}


def test_five_people_at_every_door_of_the_builder(run, urls, sign_in, owner, colleague, stranger):
    editor = make_person("editor", "Builders")
    for person, verbs in ((editor, ("view", "change")), (colleague, ("view",))):
        for verb in verbs:
            assign_perm(f"{verb}_workflow", person, run.workflow)
    doors = {
        name: door for name, door in urls.items() if re.search(r"/workflows/\d+/(builder|review|versions)/", door[1])
    }
    answered = {}
    for name, (method, url) in doors.items():
        people = (editor, owner, colleague, stranger, None)
        said = [getattr(sign_in(person), method)(url, {"part": "output", "attempt": 1}) for person in people]
        answered[name] = tuple(each.status_code for each in said)
    expected = {name: (EDITOR.get(name, MATRIX[name][0]), *MATRIX[name]) for name in doors}
    assert answered == expected
    assert len(doors) > 20
    assert not DraftCommand.objects.exclude(author__in=[editor, owner]).exists()
    assert WorkflowVersion.objects.count() == 1
