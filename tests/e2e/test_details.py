"""Details of the pages' frame as assistive technology reads them."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db(transaction=True)


def test_sidebar_links_are_named_by_their_titles_alone(signed_in, site):
    page = signed_in
    page.goto(f"{site}/admin/")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    links = page.locator("#nav-sidebar-apps a")
    drawn = links.evaluate_all(
        "all => all.map(each => [each.querySelector('.material-symbols-outlined').textContent.trim(),"
        " [...each.children].slice(1).map(part => part.innerText.trim()).join(' ')])"
    )
    assert len(drawn) > 5
    for index, (icon, title) in enumerate(drawn):
        assert icon and links.nth(index).aria_snapshot().startswith(f'- link "{title}"')
