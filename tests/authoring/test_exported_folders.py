"""`automate_export` of several workflows, and `automate_import --diff`: what differs, without a server."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from automate_core.models import Step, Workflow

pytestmark = pytest.mark.django_db

NOTED = """
name: {name}
slug: {slug}
steps: [{{key: note, action: data.set, inputs: {{order: 7}}}}]
"""


@pytest.fixture
def noted(workflow):
    return {slug: workflow(NOTED.format(name=slug.title(), slug=slug)) for slug in ("first", "second", "third")}


def refused(*arguments):
    with pytest.raises(CommandError) as caught:
        call_command(*arguments)
    return caught.value.returncode, str(caught.value)


def test_several_go_into_a_folder_and_back(noted, tmp_path, capsys):
    folder = tmp_path / "new" / "workflows"
    call_command("automate_export", "first", "third", f"--dir={folder}")
    assert capsys.readouterr().out.splitlines() == [str(folder / f"{slug}.yaml") for slug in ("first", "third")]
    Workflow.objects.filter(slug="third").update(status="archived")
    call_command("automate_export", "--all", f"--dir={folder}")
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["first.yaml", "second.yaml", "third.yaml"]
    call_command("automate_export", "first")
    assert capsys.readouterr().out.endswith(files[0].read_text())
    call_command("automate_import", *map(str, files), "--diff")
    assert capsys.readouterr().out == ""


def test_what_is_not_said_or_cannot_be_written_is_refused(noted, tmp_path, capsys):
    assert refused("automate_export")[0] == 2
    assert refused("automate_export", "first", "--all")[0] == 2
    assert refused("automate_export", "first", "second") == (2, "Several workflows need a folder: add --dir FOLDER.")
    (tmp_path / "file").touch()
    assert "cannot be written" in refused("automate_export", "first", f"--dir={tmp_path / 'file'}")[1]
    Step.objects.filter(workflow=noted["first"]).update(policy={"retry": {"attempts": "many"}})
    code, said = refused("automate_export", "--all", f"--dir={tmp_path}")
    assert code == 2 and said.startswith("The draft of first is incomplete: ") and (tmp_path / "third.yaml").exists()


def test_a_difference_is_shown_and_changes_nothing(noted, tmp_path, capsys):
    same, other, new = (tmp_path / f"{name}.yaml" for name in ("first", "second", "new"))
    same.write_text("# a comment\n" + NOTED.format(name="First", slug="first"))
    other.write_text(NOTED.format(name="Second", slug="second").replace("order: 7", "order: 8"))
    new.write_text(NOTED.format(name="New", slug="new"))
    before = list(Workflow.objects.order_by("pk").values())
    call_command("automate_import", str(same), "--diff")
    assert capsys.readouterr().out == ""
    code, said = refused("automate_import", str(same), str(other), str(new), "--diff")
    assert (code, said) == (1, "2 of 3 files would change a draft")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if "order" in line][:2] == [["-", "order:", "7"], ["+", "order:", "8"]]
    assert "--- second (draft)" in lines and f"+++ {other}" in lines and "--- new (none)" in lines
    assert "+name: New" in lines and list(Workflow.objects.order_by("pk").values()) == before


def test_a_difference_with_a_file_that_is_wrong_is_an_error(noted, tmp_path):
    file = tmp_path / "second.yaml"
    file.write_text(NOTED.format(name="Second", slug="second").replace("data.set", "data.sett"))
    code, said = refused("automate_import", str(file), "--diff")
    assert code == 2 and said.startswith(f"{file}: ") and "sett" in said
    assert refused("automate_import", str(file), "--diff", "--publish")[0] == 2
    assert refused("automate_import", str(file), "--diff", "--check")[0] == 2
