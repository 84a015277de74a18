"""A person's language and time zone: chosen, remembered, and used on pages and in messages to them."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest
from django.test import Client
from django.utils import timezone, translation

from automate_core.models import Workflow
from automate_governance.admin_site import reverse
from automate_governance.models import Preferences
from automate_governance.people.locale import person_locale
from automate_ui import formatting

NOVEMBER = dt.datetime(2026, 11, 30, 16, 15, 24, tzinfo=dt.UTC)


@pytest.fixture
def browser(owner):
    client = Client()
    client.force_login(owner)
    yield client
    timezone.deactivate()
    translation.activate("en")


def choose(client, language="", zone=""):
    return client.post(reverse("studio:preferences"), {"language": language, "time_zone": zone}, follow=True)


@pytest.mark.extended
def test_the_browsers_language_is_used_until_one_is_chosen(browser):
    page = browser.get(reverse("studio:preferences"), headers={"accept-language": "de-AT,de;q=0.9"})
    assert page.headers["Content-Language"] == "de"
    choose(browser, language="en")
    page = browser.get(reverse("studio:preferences"), headers={"accept-language": "de"})
    assert '<html lang="en"' in page.text


@pytest.mark.extended
def test_a_chosen_language_and_zone_hold_after_signing_in_again(browser, owner):
    choose(browser, language="de", zone="Asia/Tokyo")
    again = Client()
    again.force_login(owner)
    page = again.get(reverse("studio:preferences"))
    assert '<html lang="de"' in page.text
    assert "JST" in page.text
    choose(again)
    assert "UTC" in again.get(reverse("studio:preferences")).text


def test_new_workflows_are_in_the_zone_of_who_makes_them(browser, colleague, settings):
    settings.TIME_ZONE = "America/New_York"
    choose(browser, zone="Asia/Tokyo")
    other = Client()
    other.force_login(colleague)
    for client, zone in ((browser, "Asia/Tokyo"), (other, "America/New_York")):
        assert client.post(reverse("studio:workflow_new"), {"name": "Report"}).status_code == 303
        assert client.post(reverse("studio:template", args=["weekly-sales-report"])).status_code in {302, 303}
        assert {made.timezone for made in Workflow.objects.order_by("-pk")[:2]} == {zone}


def test_the_next_request_of_another_person_has_its_own_zone(browser, colleague):
    choose(browser, zone="Asia/Tokyo")
    other = Client()
    other.force_login(colleague)
    assert "JST" not in other.get(reverse("studio:preferences")).text


@pytest.mark.extended
def test_without_locale_middleware_a_language_ends_with_its_request(browser, colleague, settings):
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if not each.endswith(".LocaleMiddleware")]
    client = Client()
    client.cookies = browser.cookies
    assert '<html lang="de"' in choose(client, language="de").text
    other = Client()
    other.force_login(colleague)
    assert '<html lang="en"' in other.get(reverse("studio:preferences")).text


@pytest.mark.matrix
@pytest.mark.parametrize("values", [{"language": "xx"}, {"time_zone": "Mars/Olympus"}])
def test_an_unknown_language_or_zone_is_refused_at_its_field(browser, values):
    page = browser.post(reverse("studio:preferences"), values)
    assert page.status_code == 422
    assert "Select a valid choice" in page.text
    assert not Preferences.objects.exists()


def test_messages_to_a_person_are_in_their_language_and_zone(owner, colleague):
    Preferences.objects.create(person=owner, language="de", time_zone="Asia/Tokyo")
    with person_locale(owner):
        assert translation.get_language() == "de"
        assert timezone.localtime(NOVEMBER).tzinfo == zoneinfo.ZoneInfo("Asia/Tokyo")
    with person_locale(colleague):
        assert translation.get_language() == "en"
        assert timezone.get_current_timezone_name() == "UTC"


def test_a_language_that_the_site_no_longer_has_is_ignored(owner):
    Preferences.objects.create(person=owner, language="fr", time_zone="Old/Zone")
    with person_locale(owner):
        assert translation.get_language() == "en"
        assert timezone.get_current_timezone_name() == "UTC"


def test_preferences_take_no_query_on_other_pages(browser):
    choose(browser, language="de")
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(
        connection,
    ) as queries:
        browser.get(reverse("studio:approval_list"))
    assert not [each["sql"] for each in queries if "preferences" in each["sql"]]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["30 Nov 2026", "12,345", "1.5 s", "0.2500", "3.2 MB", "Mon 30 Nov 2026, 16:15", "1 m 42 s"]),
        ("de", ["30. Nov. 2026", "12.345", "1,5 s", "0,2500", "3,2 MB", "Mo 30. Nov. 2026, 16:15", "1 min 42 s"]),
    ],
)
def test_dates_numbers_and_durations_follow_the_language(language, expected):
    from decimal import Decimal

    with translation.override(language):
        shown = [
            formatting.format_date(NOVEMBER),
            formatting.format_count(12345),
            formatting.format_duration(1.5),
            formatting.format_money(Decimal("0.25")),
            formatting.format_bytes(3_200_000),
            formatting.format_dated(NOVEMBER),
            formatting.format_duration(102),
        ]
    assert shown == expected


def test_exact_times_are_in_the_active_zone():
    with timezone.override("Asia/Tokyo"):
        assert formatting.format_exact(NOVEMBER) == "Tue 1 Dec 2026, 01:15:24 JST"


@pytest.mark.extended
def test_scripts_have_the_pages_language(browser):
    in_english = browser.get(reverse("studio:preferences")).text
    assert "messages.de.js" not in in_english
    choose(browser, language="de")
    page = browser.get(reverse("studio:preferences")).text
    address = reverse("studio:script_messages", args=["de"])
    assert f'<script src="{address}"></script>' in page
    assert page.index(address) < page.index("shared/page.js")
    assert "django.gettext" in Client().get(address).text
    assert Client().get(reverse("studio:script_messages", args=["xx"])).status_code == 200
