"""A draft, and a person who edits it command by command."""

from __future__ import annotations

import pytest

from tests.support.editors import Editor
from tests.support.workflows import TRIAGE


@pytest.fixture
def triage(workflow):
    return workflow(TRIAGE)


@pytest.fixture
def editor(triage, owner):
    return Editor(triage, owner)


@pytest.fixture
def editor_of(triage):
    """The same draft in somebody else's hands."""
    return lambda person, workflow=triage: Editor(workflow, person)
