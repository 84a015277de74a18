"""`automate_import --check`: files are checked where there is no database, as in CI. No test here may use one."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

GOOD = """
name: Report
slug: report
triggers: [{kind: event, event: order.paid}]
steps:
  - {key: call, action: http.request, connection: shop, inputs: {method: GET, url: 'https://a.example/{{ event.id }}'}}
  - {key: wait, kind: approval, assignees: [ada], timeout: 1d, message: May it be?}
"""
FAULTS = {
    "action": (GOOD.replace("http.request", "http.reqest"), ["reqest"]),
    "input": (GOOD.replace("method: GET", "methd: GET"), ["methd"]),
    "name": (GOOD.replace("event.id", "steps.nowhere.output"), ["nowhere"]),
    "format": (GOOD.replace("slug: report", "slug: Not A Slug"), ["slug"]),
    "yaml": (GOOD.replace("[ada]", "[ada"), ["close all brackets"]),
}


@pytest.fixture
def write(tmp_path):
    def write_file(name, text):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write_file


def test_a_valid_file(write, capsys):
    file = write("good.yaml", GOOD)
    call_command("automate_import", file, "--check")
    assert capsys.readouterr().out == f"{file}: report is valid\n"


def test_every_fault_of_all_files_is_a_line(write, capsys):
    files = {name: write(f"{name}.yaml", text) for name, (text, _words) in FAULTS.items()}
    good = write("good.yaml", GOOD)
    with pytest.raises(CommandError) as caught:
        call_command("automate_import", *files.values(), good, "--check")
    lines = str(caught.value).splitlines()
    assert caught.value.returncode == 2 and "report is valid" in capsys.readouterr().out
    for name, (_text, words) in FAULTS.items():
        assert any(line.startswith(f"{files[name]}: ") and all(w in line for w in words) for line in lines), lines
    assert {line.split(": ")[0] for line in lines} == set(files.values())


def test_the_lines_are_in_english_whatever_the_site_speaks(write, settings):
    settings.LANGUAGE_CODE = "de"
    file = write("bad.yaml", FAULTS["action"][0])
    with pytest.raises(CommandError, match="has no action"):
        call_command("automate_import", file, "--check")
