"""The tests that docs/testing-workflows.md prints pass on the workflow that it prints."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT

FILES = re.compile(r"^`([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = dict(FILES.findall((ROOT / "docs/testing-workflows.md").read_text(encoding="utf-8")))
TESTS = re.findall(r"^def (test_\w+)", PRINTED["test_refund.py"], re.MULTILINE)


@pytest.mark.parametrize("name", TESTS)
def test_the_printed_tests_pass(name, run_workflow, django_user_model, tmp_path):
    for file, text in PRINTED.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    names = {"__file__": str(tmp_path / "test_refund.py")}
    exec(compile(PRINTED["test_refund.py"], "test_refund.py", "exec"), names)  # noqa: S102 - our own documentation
    names[name](run_workflow, django_user_model.objects.create_user("support"))


def test_the_plugin_is_the_printed_one():
    assert PRINTED["conftest.py"].strip() == 'pytest_plugins = ["automate_testing.fixtures"]'
    assert len(TESTS) == 4
