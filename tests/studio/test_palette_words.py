"""The palette knows the words of other products, those that agents search by."""

from __future__ import annotations

import pytest

from automate_authoring.step_words import KEYWORDS
from tests.support.builder import Builder
from tests.support.palette_search import search_palette
from tests.support.workflows import WITHOUT_TRIGGERS

SHOWN = 5
WORDS = {
    "delay": "wait",
    "sleep": "wait",
    "if": "branch",
    "switch": "branch",
    "formula": "data.set",
    "code": "data.set",
    "calculator": "data.set",
    "math": "data.set",
    "sub-workflow": "workflow",
    "lookup": "data.merge_lists",
    "human": "approval",
    "batch": "for_each",
    "variable": "data.set",
    "agent": "llm.chat",
    "smtp": "email.send",
    "cron": "trigger:schedule",
}


@pytest.mark.django_db
def test_words_of_other_products_find_a_step(workflow, sign_in, owner):
    builder = Builder(sign_in(owner), workflow(WITHOUT_TRIGGERS, publish=False))
    missed = [(word, step) for word, step in WORDS.items() if step not in search_palette(builder, word)[:SHOWN]]
    assert not missed and len(KEYWORDS) > 30
