"""The addresses of the pages' ES modules.

Modules import each other by relative paths. Where the project's static files carry a hash in their names, such a path
leads to the file without one, which caches may keep beyond an upgrade or which is not there at all: an import map leads
it on to the right one. Without hashes no map is needed, and none is made.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin

from django.contrib.staticfiles import finders
from django.templatetags.static import static

FOLDER = "automate_studio"
ANY_MODULE = f"{FOLDER}/shared/page.js"


@cache
def module_names() -> tuple[str, ...]:
    """The static names of all modules."""
    found = finders.find(ANY_MODULE)
    if found is None:
        return ()
    root = Path(found).parents[1]
    modules = (path.relative_to(root) for path in root.rglob("*.js"))
    return tuple(sorted(f"{FOLDER}/{path.as_posix()}" for path in modules if _is_served(path)))


def _is_served(path: Path) -> bool:
    """Whether pages load it: of vendored files only what was built."""
    return path.parts[0] != "vendor" or path.name.endswith(".min.js")


def import_map() -> dict[str, str]:
    """Where a relative import leads, and where the storage has that module; empty where these are the same."""
    urls = {name: static(name) for name in module_names()}
    plain = {name: urljoin(url, PurePosixPath(name).name) for name, url in urls.items()}
    return {plain[name]: url for name, url in urls.items() if plain[name] != url}
