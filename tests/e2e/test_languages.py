"""Languages in a browser: every text of ours is marked for translation, and there is room for longer ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.e2e.places import APPROVAL
from tests.support.pseudo import CLOSE, OPEN, pseudo
from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db(transaction=True)

MEASURES = (Path(__file__).parent / "language.js").read_text(encoding="utf-8")
READY = "!document.documentElement.hasAttribute('x-cloak')"
_WORD = re.compile(r"[A-Za-z]{3,}")
#: Contents of the tests' own things, names of products and codes: the same in every language.
CONTENT = {
    word.lower()
    for word in _WORD.findall(
        TRIAGE
        + repr(APPROVAL)
        + """
        Django Automate GitHub Slack HTTP JSON YAML CSV URL UTC SQL OAuth LLM OpenAI Anthropic Ollama Vault WSGI ASGI
        Sorts what comes in night root owner colleague stranger bug other Echo echo token github issues labels title
        Ended Late Later by finance employee ada manager currency category travel Trade fair in Lyon payments USD
        POST edited automate core dev env Ctrl Enter Shift Ask database workflow published Added Hook cdef example com Write refuse careful risky caught both
        Nightly import of the stock warehouse Imports Old
        Viewers Builders Operators Auditors Connection admins data log set http request email models webhook succeeded failed revoked api apitoken
        """
    )
}
#: Scopes and prefixes of tokens, records as they are kept, hexadecimal digits, and what plug-ins of ours say to
#: administrators in English.
_TOKENS = r"(.* )?dat_\w{8}(_…)?|(title: )?\w+:\w+(, \w+:\w+)*"
_NO_TEXT = re.compile(_TOKENS + r'|\{".*|\W*([0-9a-f]{8}|[0-9a-f]{64})\W*|(Reaches|Reads) .*', re.DOTALL)


def sign_in(page: Page) -> None:
    """The form's names are pseudo-texts too."""
    page.get_by_label(pseudo("Username")).or_(page.locator("#id_username")).first.fill("root")
    page.locator("#id_password").fill("password-of-tests")
    page.locator("#id_password").press("Enter")
    page.wait_for_url(re.compile(r"//[^/]+/admin/$"))


@pytest.mark.extended
def test_every_text_is_marked_and_has_room(places, page, live_server, admin, pseudo_language, shot):
    site = live_server.url
    page.set_extra_http_headers({"Accept-Language": "de"})  # in English, scripts load no catalogue
    page.goto(f"{site}/admin/")
    assert OPEN in page.inner_text("body") and CLOSE in page.inner_text("body")
    unmarked: dict[str, str] = {}
    clipped: dict[str, str] = {}
    for width, height in ((1440, 900), (1300, 900), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        for name, path in ({"the form to sign in": "/admin/"} | places).items():
            if name == "overview" and page.locator("#id_username").count():
                sign_in(page)
            answer = page.goto(site + path)
            assert answer is None or answer.status in {200, 404}, f"{name}: {answer.status}"
            page.wait_for_function(READY)
            page.evaluate(MEASURES)
            shot(page, f"pseudo-{name}-{width}")
            for text in page.evaluate("window.unmarkedTexts()"):
                if (
                    not _NO_TEXT.fullmatch(text)
                    and {word.lower() for word in _WORD.findall(text.split(": ", 1)[-1])} - CONTENT
                ):
                    unmarked.setdefault(text, name)
            for text in page.evaluate("window.clippedTexts()"):
                clipped.setdefault(text, f"{name} at {width}")
            assert page.evaluate("window.localisedNumbers()") == [], name
            assert page.evaluate("window.squeezedNames()") == [], f"{name} at {width}"
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"
    found = [f"not marked on {place}: {text}" for text, place in unmarked.items()]
    found += [f"cut off on {place}: {text}" for text, place in clipped.items()]
    assert not found, "\n".join(found)
