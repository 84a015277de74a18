"""Each connector against the vendor's documents, where there are any."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from automate_connectors.registry import connectors
from tests.vendors.findings import find_faults
from tests.vendors.known import KNOWN
from tests.vendors.requests import requests_of
from tests.vendors.sources import SOURCES

FOLDER = "AUTOMATE_VENDOR_DOCUMENTS"


@pytest.mark.extended
@pytest.mark.parametrize("code", sorted(SOURCES))
def test_a_connector_fits_the_vendor_s_document(code):
    given = os.environ.get(FOLDER)
    if not given:
        pytest.skip(f"{FOLDER} names no folder with documents of vendors")
    folder, source = Path(given), SOURCES[code]
    if missing := source.missing(folder):
        pytest.skip(f"{missing} is not in {folder}")
    descriptions, known = source.load(folder), KNOWN.get(code, {})
    requests = [each for each in requests_of(connectors.get(code).document) if "/graphql" not in each.address]
    found = [line for request in requests for line in find_faults(request, descriptions)]
    if new := [line for line in found if not any(fnmatchcase(line, pattern) for pattern in known)]:
        pytest.fail("\n".join(new), pytrace=False)
