"""The tests that docs/testing-workflows.md prints pass on the workflow that it prints."""

from __future__ import annotations

import inspect
import re

import pytest

from tests.conftest import ROOT

FILES = re.compile(r"^`([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = dict(FILES.findall((ROOT / "docs/testing-workflows.md").read_text(encoding="utf-8")))
TESTS = [
    (file, name)
    for file, text in PRINTED.items()
    if file.startswith("test_")
    for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)
]


@pytest.mark.matrix
@pytest.mark.parametrize(("module", "name"), TESTS)
def test_the_printed_tests_pass(module, name, run_workflow, django_user_model, tmp_path):
    for file, text in PRINTED.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    names = {"__file__": str(tmp_path / module)}
    exec(compile(PRINTED[module], module, "exec"), names)  # noqa: S102 - our own documentation
    wanted = inspect.signature(names[name]).parameters
    if "support" in wanted:  # the printed fixture
        names[name](run_workflow, django_user_model.objects.create_user("support"))
    else:
        names[name](run_workflow, django_user_model)


def test_the_plugin_is_the_printed_one():
    assert PRINTED["conftest.py"].strip() == 'pytest_plugins = ["automate_testing.fixtures"]'
    assert len(TESTS) == 5
