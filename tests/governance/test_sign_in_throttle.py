"""Guessing passwords: refused by account and address, whoever exists; others sign in meanwhile; an unlock helps at once."""

from __future__ import annotations

import re
import threading

import pytest
from django.contrib.auth.backends import ModelBackend
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.urls import reverse

from automate_governance import sign_in
from automate_governance.models import AuditEntry, SignInCount

pytestmark = pytest.mark.django_db(transaction=True)

HERE, THERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture(autouse=True)
def _three_tries(settings):
    settings.AUTOMATE_SIGN_IN_TRIES = 3
    sign_in._pace.clear()


def _try(name, password="wrong", address=HERE):  # noqa: S107
    """What becomes of it: "in", "wrong" or "locked"."""
    sent = {"username": name, "password": password}
    answer = Client(REMOTE_ADDR=address).post(reverse("admin:login"), sent)
    if answer.status_code == 302:
        return "in"
    locked = re.search(rb"Too many failed sign-ins. Wait (\d+) minutes or ask", answer.content)
    assert locked is None or 10 <= int(locked[1]) <= 15, "a quarter of an hour from the first try"
    return "locked" if locked else "wrong"


def _verbs():
    return list(AuditEntry.objects.order_by("pk").values_list("verb", "object"))


@pytest.mark.parametrize("name", ["owner", "nobody-of-that-name"])
def test_the_fourth_try_is_refused_whoever_exists(owner, name):
    assert [_try(name) for _ in range(5)] == ["wrong"] * 3 + ["locked"] * 2
    assert _try(name.upper()) == "locked", "another spelling is the same account"
    assert len([verb for verb, _ in _verbs() if verb == "user.locked"]) == 1
    assert len(_verbs()) == 4, "what is refused unseen leaves no entry each"


def test_the_right_password_does_not_help_from_there_and_does_from_elsewhere(owner):
    assert [_try("owner") for _ in range(3)] == ["wrong"] * 3
    assert _try("owner", "password-of-tests") == "locked"
    assert _try("owner", "password-of-tests", address=THERE) == "in"


@pytest.mark.extended
def test_one_address_locks_no_account_for_others(owner):
    assert [_try("owner") for _ in range(40)] == ["wrong"] * 3 + ["locked"] * 37
    assert _try("owner", "password-of-tests", address=THERE) == "in"


def test_a_sign_in_takes_the_count_back(owner):
    for _ in range(3):
        assert [_try("owner"), _try("owner"), _try("owner", "password-of-tests")] == ["wrong", "wrong", "in"]
    assert not SignInCount.objects.exclude(account="").exists()


@pytest.mark.extended
def test_one_account_guessed_at_from_many_addresses(owner):
    found = [_try("owner", address=f"192.0.2.{number}") for number in range(31)]
    assert found == ["wrong"] * 30 + ["locked"]


def test_an_address_that_tries_many_has_one_try_each_and_nobody_else_is_locked_out(owner, colleague, settings):
    settings.AUTOMATE_SIGN_IN_TRIES_OF_ADDRESS = 4
    for number in range(5):
        _try(f"guess-{number}")
    assert [_try("owner"), _try("owner")] == ["wrong", "locked"]
    assert _try("colleague", "password-of-tests") == "in", "somebody else behind the same proxy"
    entries = len(_verbs())
    _try("guess-9")
    assert len(_verbs()) == entries, "guesses at names fill no trail"


def test_passwords_of_one_address_are_checked_at_a_pace(owner, colleague, monkeypatch):
    monkeypatch.setattr(sign_in, "PACE_BURST", 3)
    monkeypatch.setattr(sign_in, "PACE_SECONDS", 60.0)
    checked = []
    monkeypatch.setattr(ModelBackend, "authenticate", lambda self, request, **sent: checked.append(sent["username"]))
    for number in range(6):
        _try(f"guess-{number}", address="192.0.2.77")
    assert checked == ["guess-0", "guess-1", "guess-2"], "no name costs more than these"
    answer = Client(REMOTE_ADDR="192.0.2.77").post(reverse("admin:login"), {"username": "owner", "password": "x"})
    assert b"Try again in a few seconds" in answer.content
    _try("owner", address=THERE)
    assert checked[-1] == "owner", "other addresses wait for none of it"


def test_many_at_once_get_no_more_tries(owner):
    barrier, found = threading.Barrier(6), []

    def guess():
        barrier.wait()
        try:
            found.append(_try("owner"))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=guess) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["locked"] * 3 + ["wrong"] * 3


def test_the_unlock_command(owner, capsys):
    for _ in range(4):
        _try("owner")
    call_command("automate_unlock", "owner")
    assert capsys.readouterr().out == "owner is unlocked\n"
    assert _verbs()[-1] == ("user.unlocked", "owner")
    assert _try("owner", "password-of-tests") == "in"
    call_command("automate_unlock", "--address", HERE)
    assert _verbs()[-1] == ("user.unlocked", "site")


def test_rows_go_when_their_time_is_over(owner):
    _try("owner")
    SignInCount.objects.update(ends_at="2026-01-01T00:00Z", tries=99)
    assert _try("somebody") == "wrong"
    assert SignInCount.objects.count() == 3, "the three of that attempt alone"
    assert _try("owner") == "wrong"
