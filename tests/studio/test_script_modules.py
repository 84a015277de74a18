"""The pages' ES modules: each one that is imported is there, whether static files carry a hash in their names or not."""

from __future__ import annotations

import json
import re
from graphlib import TopologicalSorter
from pathlib import PurePosixPath
from urllib.parse import urljoin

import pytest
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.utils.csp import CSP

from automate_ui.script_modules import module_names
from tests.e2e.places import within
from tests.support.matrix import representatives

pytestmark = pytest.mark.django_db(transaction=True)  # a delivery is answered after its commit
MODULE = re.compile(r'<script src="([^"]+)" type="module">')
MAP = re.compile(r'<script type="importmap"([^>]*)>(.*?)</script>')
IMPORT = re.compile(r'(?:^(?:import|export)\b(?:[^;"]*\bfrom)? ?|\bimport\()"([^"]+)"', re.MULTILINE)
EDITOR = "automate_studio/vendor/codemirror-6.0.2/shared.min.js"


class HashedStorage(StaticFilesStorage):
    """Gives each file a name with a hash, as Django's storage with a manifest does."""

    def url(self, name):
        path = PurePosixPath(name)
        return super().url(str(path.with_stem(f"{path.stem}.0123456789ab")))


def pages(places, client):
    """The pages' HTML, by the place's name."""
    answers = {name: client.get(address) for name, address in places.items()}
    return {name: answer.content.decode() for name, answer in answers.items() if answer.status_code == 200}


def imports_from(url, source_name, import_map):
    """All modules that a page may load, as {url: static name}, in the browser's way of resolving them."""
    loaded = {}
    waiting = [(url, source_name)]
    while waiting:
        at, name = waiting.pop()
        if at in loaded:
            continue
        loaded[at] = name
        path = finders.find(name)
        assert path, f"{name} is imported and is not there"
        with open(path, encoding="utf-8") as source:
            for specifier in IMPORT.findall(source.read()):
                plain = urljoin(at, specifier)
                waiting.append((import_map.get(plain, plain), plain.removeprefix("/static/")))
    return loaded


@pytest.mark.parametrize(("hashed", "extent"), representatives([(True, "typical"), (True, "every"), (False, "every")]))
def test_every_module_is_there(places, sign_in, admin, settings, hashed, extent):
    """Each is loaded once, under the address that the storage gives it: two instances would not know each other's state."""
    if hashed:
        backend = f"{__name__}.HashedStorage"
        settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    seen = set()
    for html in pages(within(extent, places, "run"), sign_in(admin)).values():
        found = MAP.search(html)
        assert bool(found) is (hashed and 'id="main-content"' in html and "shared/page" in html)
        import_map = json.loads(found[2])["imports"] if found else {}
        loaded = {}
        for url in MODULE.findall(html):
            assert not found or html.index(found[0]) < html.index(url)
            name = url.removeprefix("/static/").replace(".0123456789ab", "")
            loaded |= imports_from(url, name, import_map)
        assert len(set(loaded.values())) == len(loaded)
        assert all((".0123456789ab." in url) is hashed for url in loaded)
        assert (EDITOR in loaded.values()) is ('id="builder"' in html)
        seen |= set(loaded.values())
    assert {"automate_studio/builder/commands.js", "automate_studio/run/live.js"} <= seen


def test_the_import_map_carries_the_nonce_of_the_policy(places, sign_in, admin, settings):
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": f"{__name__}.HashedStorage"}}
    settings.SECURE_CSP = {"script-src": ["'self'", CSP.NONCE]}
    answer = sign_in(admin).get(places["overview"])
    attribute = MAP.search(answer.content.decode())[1]
    nonce = re.search(r'nonce="([^"]+)"', attribute)[1]
    assert f"'nonce-{nonce}'" in answer["Content-Security-Policy"]


def test_modules_share_nothing_through_the_window():
    """What one module needs of another it imports."""
    for name in module_names():
        with open(finders.find(name), encoding="utf-8") as source:
            assert "window.automate" not in source.read(), name


def test_imports_make_no_circles():
    """A storage that hashes what modules import could give modules of a circle no name."""
    imports = {}
    for name in module_names():
        with open(finders.find(name), encoding="utf-8") as source:
            found = IMPORT.findall(source.read())
        imports[name] = {urljoin(f"/{name}", each).removeprefix("/") for each in found}
    assert tuple(TopologicalSorter(imports).static_order())
