"""`make release`: two builds are equal byte for byte, nothing is missing, and the SBOM lists every pinned package."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest

from scripts import release
from tests.conftest import ROOT


@pytest.fixture
def wheel(tmp_path):
    """Make a wheel of those names."""

    def make(*names, distribution="django_automate"):
        with zipfile.ZipFile(made := tmp_path / f"{distribution}-0.3.0-py3-none-any.whl", "w") as archive:
            for name in names:
                archive.writestr(name, "")
        return made

    return make


COMPLETE = [name + ("x.html" if name.endswith("/") else "") for name in release.NEEDED["django_automate"]]


def test_a_wheel_is_refused_for_what_it_lacks_or_should_not_have(wheel):
    release.check_wheel(wheel(*COMPLETE))
    with pytest.raises(release.ReleaseError, match=r"lacks automate_core/py\.typed"):
        release.check_wheel(wheel(*COMPLETE[1:]))
    for extra in ("automate_core/__pycache__/conf.pyc", "tests/conftest.py", "automate_site/settings.py"):
        with pytest.raises(release.ReleaseError, match=re.escape(f"contains {extra}")):
            release.check_wheel(wheel(*COMPLETE, extra))
    command_line = wheel(*release.NEEDED["django_automate_cli"][1:], distribution="django_automate_cli")
    with pytest.raises(release.ReleaseError, match=r"lacks automate_cli/main\.py"):
        release.check_wheel(command_line)


def test_the_command_line_is_released_in_the_version_that_the_server_asks_for():
    server, command_line = (tomllib.loads((ROOT / each / "pyproject.toml").read_text()) for each in (".", "cli"))
    release.check_versions(server, command_line)
    pinned = (ROOT / "requirements.txt").read_text()
    named = {re.match(r"[\w-]+", each)[0] for each in command_line["project"]["dependencies"]}
    assert {name for name in named if f"\n{name}==" not in pinned} == set(), (
        "a checkout installs it without its own pins"
    )
    for other in (server, command_line):
        version, other["project"]["version"] = other["project"]["version"], "9.9"
        with pytest.raises(release.ReleaseError, match="differ in the version"):
            release.check_versions(server, command_line)
        other["project"]["version"] = version


def test_old_prices_of_language_models_are_no_release(tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text('{"as_of": "2026-11-10"}')
    at = int(dt.datetime(2027, 1, 9, 12, tzinfo=dt.UTC).timestamp())
    release.check_prices(at, prices)
    with pytest.raises(release.ReleaseError, match=r"are of 2026-11-10, more than 60 days before"):
        release.check_prices(at + 86_400, prices)
    assert release.PRICES.exists()


def test_builds_that_differ_are_no_release(tmp_path):
    for name, content in (("one", "a"), ("another", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "made.whl").write_text(content)
    release.compare(tmp_path / "one", tmp_path / "another")
    (tmp_path / "another" / "made.whl").write_text("b")
    with pytest.raises(release.ReleaseError, match=r"two builds differ: made\.whl"):
        release.compare(tmp_path / "one", tmp_path / "another")


def test_files_that_are_not_committed_are_no_release(monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setattr(release, "run", lambda command: " M README.md" if "status" in command else "1790000000")
    with pytest.raises(release.ReleaseError, match="differ from the last commit"):
        release.commit_time()


@pytest.mark.extended
def test_a_release_from_these_files(tmp_path, monkeypatch):
    """Twice in two folders, here with the tools of requirements-release.txt."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    monkeypatch.setattr(release, "DIST", tmp_path / "dist")
    monkeypatch.setattr(release, "TOOLS", tmp_path / "tools")
    try:
        release.install_tools()
    except release.ReleaseError as error:
        pytest.skip(f"the tools cannot be installed: {str(error)[-200:]}")
    assert release.main() == 0
    made = {each.name: each for each in (tmp_path / "dist").iterdir()}
    [wheel, sdist, bom] = [
        next(name for name in made if name.startswith("django_automate-") and name.endswith(end))
        for end in (".whl", ".tar.gz", ".cdx.json")
    ]
    command_line = {each.replace("automate-", "automate_cli-") for each in (wheel, sdist)}
    assert {wheel, sdist, bom, *command_line, "SHA256SUMS"} == set(made)
    for name in made:
        if name.endswith(".whl"):
            times = {info.date_time[:3] for info in zipfile.ZipFile(made[name]).infolist()}
            assert times == {(2026, 9, 21)}, "those of SOURCE_DATE_EPOCH"
    with tarfile.open(made[sdist]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "Makefile",
        "cli/pyproject.toml",
        "deploy/Containerfile",
        "tests/conftest.py",
        "scripts/release.py",
    } <= names
    components = {each["name"]: each["version"] for each in json.loads(made[bom].read_text())["components"]}
    pinned = dict(re.findall(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.M))
    assert {name: version for name, version in pinned.items() if components.get(name) != version} == {}
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path / "dist", capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    target = tmp_path / "installed"
    shutil.unpack_archive(made[wheel], target, "zip")
    found = subprocess.run(
        [sys.executable, "-c", "import automate_core; print(automate_core.__file__)"],
        cwd=target, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == str(target / "automate_core" / "__init__.py")
