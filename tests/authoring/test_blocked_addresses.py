"""An address that no run can call is said before the workflow is published."""

from __future__ import annotations

import pytest

from automate_authoring.definitions import yaml_files
from automate_authoring.lint_rules.lint import find_cautions

pytestmark = pytest.mark.django_db

CALLING = """
name: Calling
slug: calling
triggers: [{endpoint: github}]
steps: [{key: call, action: http.request, inputs: {method: GET, url: '%s'}}]
"""


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/orders", "requires https"),
        ("http://example.com/", "requires https"),
        ("https://127.0.0.1/", "127.0.0.1 is an internal address. An administrator can allow it"),
        ("https://169.254.169.254/", "no access to 169.254.169.254"),
        ("https://example.com:8443/", "the port of example.com:8443 is not allowed. An administrator can add it"),
        ("ftp://example.com/", "no access to example.com: scheme 'ftp'."),
        ("https://example.com/orders", ""),
        ("http://127.0.0.1:9444/", ""),
        ("https://{{ event.payload.host }}/", ""),
        ("/orders", ""),
    ],
)
def test_a_blocked_address_is_a_warning_at_its_field(settings, url, said):
    settings.AUTOMATE_EGRESS_ALLOW = ["127.0.0.1:9444", "db.internal:5432"]
    settings.AUTOMATE_EGRESS_PORTS = [443, 8765]
    found = [each for each in find_cautions(yaml_files.read_workflow(CALLING % url)) if "inputs.url" in each.path]
    assert [said in each.reason for each in found] == [True] * bool(said)
    known = ("9444", "db.internal", "5432", "8765")
    assert not [each.reason for each in found if any(part in each.reason for part in known)], "what is open is no hint"
