"""Actions of the audit trail have labels in the reader's language; schedules are read as people say them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.utils import translation

from automate_ui.audit.actions import action_label
from automate_ui.describe import describe_schedule

ROOT = Path(__file__).resolve().parents[2]
_CODE = re.compile(r'"([a-z_]+\.[a-z_]+)"')
_RECORDED = re.compile(r"audit\.record\((?:[^()]|\([^()]*\))*\)")


def test_every_recorded_action_has_a_label_in_german():
    codes = {
        code
        for path in (ROOT / "apps").rglob("*.py")
        for call in _RECORDED.findall(path.read_text(encoding="utf-8"))
        for code in _CODE.findall(call)
    }
    assert len(codes) > 40
    with translation.override("de"):
        german = {code: action_label(code) for code in codes}
    with translation.override("en"):
        english = {code: action_label(code) for code in codes}
        unlabelled = [code for code in codes if german[code] == english[code]]
    assert not unlabelled


def test_an_unknown_action_is_shown_in_words():
    assert action_label("invoice.written_off") == "Written off"


@pytest.mark.parametrize(
    ("cron", "every", "english", "german"),
    [
        ("0 2 * * *", None, "Every day at 02:00", "Täglich um 02:00"),
        ("30 8 * * MON-FRI", None, "Weekdays at 08:30", "Montag bis Freitag um 08:30"),
        ("0 7 * * MON", None, "Monday at 07:00", "Montag um 07:00"),
        ("0 0 L * *", None, "Last day of the month at 00:00", "Am letzten Tag des Monats um 00:00"),
        ("5 6 3 * *", None, "Day 3 of the month at 06:05", "Am 3. des Monats um 06:05"),
        ("", "1m", "Every minute", "Jede Minute"),
        ("", "15m", "Every 15 minutes", "Alle 15 Minuten"),
        ("", "1d", "Every day", "Jeden Tag"),
        ("*/5 9-17 * * *", None, "*/5 9-17 * * *", "*/5 9-17 * * *"),
    ],
)
def test_a_schedule_is_read_as_people_say_it(cron, every, english, german):
    with translation.override("en"):
        assert describe_schedule(cron, every) == english
    with translation.override("de"):
        assert describe_schedule(cron, every) == german
