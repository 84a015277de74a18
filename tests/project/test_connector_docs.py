"""The pages about connectors say what the connectors say. `make docs` writes them."""

from __future__ import annotations

import re

import pytest
from django.core.management import CommandError, call_command

from automate_connectors import docs
from automate_connectors.adapters.base import Action, ConnectorAdapter
from automate_plugins.fields import FieldSpec
from tests.conftest import ROOT

PAGES = ROOT / "docs" / "connectors"


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.extended
def test_no_page_is_missing_or_stale(capsys):
    try:
        call_command("automate_connector_docs", check=True)
    except CommandError as error:
        pytest.fail(f"{capsys.readouterr().out}{error}")


class Anvils(ConnectorAdapter):
    code = "anvils"
    name = "Anvils"
    description = "Buy anvils"
    actions = (Action(name="buy", label="Buy", fields=(FieldSpec(name="weight", help="a|b", required=True),)),)

    def execute(self, action, params, context):
        return {}


def test_what_a_person_wrote_around_it_stays():
    aim = "At the end of this page you will be able to use Anvils in a workflow."
    first = docs.connector_page(Anvils(), {})
    assert first.startswith(f"# Anvils\n\n{aim}\n\nBuy anvils.\n\n") and "| `weight` | text | yes | a\\|b. |" in first
    written = first.replace("Buy anvils.", "By hand.") + "\n## Prices\n\nHigh.\n"
    again = docs.connector_page(
        Anvils(), {"buy": {"action": "buy", "params": {"weight": "{{ x }}"}, "output": {"id": 7}}}, written
    )
    assert "By hand." in again and again.endswith("\n## Prices\n\nHigh.\n")
    assert "weight: '{{ x }}'" in again and '{"id": 7}' in again
    assert docs.connector_page(Anvils(), {}, again) == written


def test_a_page_by_hand_gets_what_is_made_at_its_end():
    assert docs.connector_page(Anvils(), {}, "# By hand\n").startswith(f"# By hand\n\n{docs.BEGIN}\n")


def test_a_stale_page_is_named(tmp_path, capsys):
    call_command("automate_connector_docs", "data", to=str(tmp_path))
    page = tmp_path / "data.md"
    assert re.search(r"^### `data.sort`$", page.read_text(), re.MULTILINE)
    call_command("automate_connector_docs", "data", to=str(tmp_path), check=True)
    page.write_text(page.read_text().replace("data.sort", "data.sorted"))
    with pytest.raises(CommandError, match="make docs") as caught:
        call_command("automate_connector_docs", "data", to=str(tmp_path), check=True)
    assert caught.value.returncode == 1 and f"outdated: {page}" in capsys.readouterr().out


def test_what_cannot_be_done_is_told_in_one_line(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bad.json").write_text("{")
    for arguments, reason in ((["nope"], "is not installed"), (["data"], "is not a valid fixture")):
        with pytest.raises(CommandError, match=reason) as caught:
            call_command("automate_connector_docs", *arguments, to=str(tmp_path), fixtures=str(tmp_path))
        assert caught.value.returncode == 2
