"""Whoever builds finds steps in their own words: whole sentences, the names of systems, the words of other products."""

from __future__ import annotations

from collections import Counter

import pytest
from django.utils import translation

from automate_authoring import step_search
from automate_authoring.step_search import MOST_OF_ONE, search_steps
from automate_authoring.step_words import EVERYDAY_WORDS, KEYWORDS
from automate_governance.texts import translated
from tests.support.step_sentences import WANTED, WANTED_IN_GERMAN, WANTED_TOGETHER

SHOWN = 5


@pytest.mark.django_db
def test_natural_sentences_find_their_step_among_the_first():
    missed = []
    for query, key in WANTED.items():
        found = [each.key for each in search_steps(query)]
        if key not in found[:SHOWN]:
            missed.append((query, key, found[: 2 * SHOWN]))
    assert len(WANTED) >= 60
    assert not missed, "\n".join(map(str, missed))


@pytest.mark.django_db
def test_a_sentence_that_asks_for_several_things_finds_each_of_them():
    for sentence, keys in WANTED_TOGETHER.items():
        found = [each.key for each in search_steps(sentence)][: 2 * len(keys)]
        assert not set(keys) - set(found), (sentence, set(keys) - set(found), found)


@pytest.mark.django_db
def test_everyday_words_of_german_find_their_step():
    with translation.override("de"):
        if translated(EVERYDAY_WORDS["branch"]) == EVERYDAY_WORDS["branch"]:
            pytest.skip("the catalogue does not have the search words yet")
        found = {query: [each.key for each in search_steps(query)][:SHOWN] for query in WANTED_IN_GERMAN}
    assert not [(query, key, found[query]) for query, key in WANTED_IN_GERMAN.items() if key not in found[query]]


@pytest.mark.django_db
def test_no_connector_fills_the_first_page():
    for query in ("send email", "create contact", "update", "message"):
        codes = Counter(each.code for each in search_steps(query)[:10] if each.code)
        assert max(codes.values()) <= MOST_OF_ONE, (query, codes)
    named = [each.code for each in search_steps("google sheets")[:8]]
    assert named.count("google_sheets") >= 6, "the query names the connector"


@pytest.mark.django_db
def test_what_is_connected_comes_before_what_is_not():
    def place(*connected):
        return [each.code for each in search_steps("create a contact", connected)].index("mailchimp")

    assert place("mailchimp") < place()


@pytest.mark.django_db
def test_each_keyword_belongs_to_an_entry():
    assert (KEYWORDS.keys() | EVERYDAY_WORDS.keys()) - {each.key for each in search_steps("")} == set()


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["qwxzv", "…", "\0", "a" * 200])
def test_nothing_is_found_by_nonsense(query):
    found = search_steps(query)
    assert found == [] or query == "…" or query == "\0", "without a word, everything is listed"


@pytest.mark.django_db
def test_a_long_query_costs_no_more_than_some_wishes(monkeypatch):
    ranked = []
    monkeypatch.setattr(step_search, "_rank", lambda entries, wish, *_: ranked.append(wish) or [])
    search_steps("send mail, " * 2_700)
    assert ranked == ["send mail"]
    ranked.clear()
    search_steps(", ".join(f"word{number}" for number in range(600)))
    assert len(ranked) == 10
