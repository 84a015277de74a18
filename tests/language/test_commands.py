"""Commands speak English, whatever the language of the site is: their words go to logs, scripts and CI."""

from __future__ import annotations

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.utils.translation import get_language, override

from automate_core.worker.worker import Worker
from automate_governance.commands import EnglishCommand

UNTESTED = """
name: Tell
slug: tell
triggers: [{kind: manual}]
steps: [{key: tell, action: http.request, inputs: {method: GET, url: 'https://a.example/'}}]
"""
OURS = sorted(name for name, app in get_commands().items() if str(app).startswith("automate_") and "_" in name)


def test_there_are_commands():
    assert len(OURS) > 25


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_in_english(name):
    assert isinstance(load_command_class(get_commands()[name], name), EnglishCommand)


def test_what_screens_say_too_is_in_english_here(admin, tmp_path, capsys):
    """The warning that the draft was never tested is on the page of the review too, in the reader's language."""
    file = tmp_path / "call.yaml"
    file.write_text(UNTESTED)
    with override("de"):
        call_command("automate_import", str(file), "--publish")
    assert "warning: This draft was never tested" in capsys.readouterr().err


def test_the_language_of_the_caller_stays(db):
    with override("de"):
        call_command("automate_plugins")
        assert get_language() == "de"


def test_a_worker_works_in_the_language_of_the_site(db, settings, monkeypatch):
    settings.LANGUAGE_CODE = "de"
    seen = []
    monkeypatch.setattr(Worker, "run", lambda self: seen.append(get_language()))
    call_command("automate_worker", "--drain")
    assert seen == ["de"]
