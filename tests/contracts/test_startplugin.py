"""`manage.py automate_startplugin` makes packages whose tests pass, and that the registries find."""

from __future__ import annotations

import sys

import pytest
from django.core.management import CommandError, call_command

from tests.conftest import ROOT
from tests.support.matrix import representatives
from tests.support.plugins import python_outside


@pytest.mark.process
@pytest.mark.parametrize(
    ("kind", "passed"),
    representatives(
        [
            ("connector", 14),
            ("secrets", 16),
            ("llm", 9),
            ("signature_scheme", 9),
            ("notification_channel", 11),
            ("trigger", 10),
            ("expression_filter", 7),
            ("executor", 13),
        ],
    ),
    ids=[
        "connector",
        "secrets",
        "llm",
        "signature_scheme",
        "notification_channel",
        "trigger",
        "expression_filter",
        "executor",
    ],
)
def test_a_new_package_passes_its_own_tests(tmp_path, kind, passed):
    folder = tmp_path / "new"
    call_command("automate_startplugin", "my_erp", kind=kind, to=str(folder))
    done = python_outside("-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    count = int(done.stdout.strip().splitlines()[-1].split(" passed")[0].split()[-1])
    assert count >= passed, done.stdout
    ruff = python_outside(
        "-m", "ruff", "check", "--isolated", "--select", "E,F,W,B,UP", "--line-length", "120", ".", cwd=folder
    )
    assert ruff.returncode == 0, ruff.stdout


@pytest.mark.extended
@pytest.mark.process
def test_a_new_connector_with_triggers_passes_their_contracts(tmp_path):
    folder = tmp_path / "new"
    call_command("automate_startplugin", "my_erp", parts=["webhook", "poll"], to=str(folder))
    done = python_outside("-W", "error", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "has no polls" not in done.stdout and "has no webhooks" not in done.stdout
    ruff = python_outside(
        "-m", "ruff", "check", "--isolated", "--select", "E,F,W,B,UP", "--line-length", "120", ".", cwd=folder
    )
    assert ruff.returncode == 0, ruff.stdout
    with pytest.raises(CommandError, match="--with adds triggers to a connector"):
        call_command("automate_startplugin", "my_erp", kind="llm", parts=["poll"], to=str(tmp_path / "other"))


@pytest.mark.extended
@pytest.mark.process
def test_a_new_package_is_found_once_it_is_installed(tmp_path):
    """As an installer leaves it: the package on the path, with what its pyproject.toml says of entry points."""
    import tomllib

    folder = tmp_path / "new"
    call_command("automate_startplugin", "my_erp", to=str(folder))
    [(group, entries)] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"].items()
    metadata = folder / "src" / "my_erp-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-erp\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
    )
    code = (
        "import django; django.setup(); from automate_connectors.registry import connectors;"
        "print(connectors.get('my_erp').action('create').label)"
    )
    done = python_outside(
        "-c", code, cwd=ROOT, PYTHONPATH=str(folder / "src"), DJANGO_SETTINGS_MODULE="automate_site.settings"
    )
    assert done.stdout.strip() == "Create record", done.stderr


@pytest.mark.parametrize("name", ["My-ERP", "1erp", "class", "../x", "", "x" * 41])
def test_a_name_that_is_no_package_is_refused(tmp_path, name):
    with pytest.raises(CommandError, match="is not a package name") as caught:
        call_command("automate_startplugin", name, to=str(tmp_path / "new"))
    assert caught.value.returncode == 2 and not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("json", "connector"), ("http", "llm"), ("django", "connector"), ("automate_core", "secrets")),
        *(("pytest", "connector"), ("tests", "llm"), ("requests", "connector"), ("slack", "connector")),
        ("vault", "secrets"),
    ],
)
def test_a_name_that_is_taken_is_refused(tmp_path, name, kind):
    with pytest.raises(CommandError, match=f"'{name}' is the name of .* Choose another name") as caught:
        call_command("automate_startplugin", name, kind=kind, to=str(tmp_path / "new"))
    assert caught.value.returncode == 2 and "\n" not in str(caught.value) and not (tmp_path / "new").exists()


def test_it_says_how_to_test_where_pytest_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    call_command("automate_startplugin", "my_erp", to=str(tmp_path / "new"))
    *_, get, run = capsys.readouterr().out.splitlines()
    assert get.endswith(f"uv pip install --python {sys.executable} pytest")
    assert run.endswith(f"cd {tmp_path / 'new'} && {sys.executable} -m pytest")
    readme = (tmp_path / "new" / "README.md").read_text()
    assert "\nuv pip install --python $PYTHON . " in readme and "$PYTHON -m pip install" in readme


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CommandError, match="already exists"):
        call_command("automate_startplugin", "my_erp", to=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(CommandError, match="Not a directory"):
        call_command("automate_startplugin", "my_erp", to=str(tmp_path / "mine.txt" / "new"))


@pytest.mark.extended
@pytest.mark.process
def test_the_command_line_tells_in_one_line_and_exits_with_2(tmp_path):
    done = python_outside(str(ROOT / "manage.py"), "automate_startplugin", "My-ERP", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines()), done.stdout) == (2, 1, "")
    assert "My-ERP" in done.stderr and not any(tmp_path.iterdir())
