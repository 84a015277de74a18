"""Paths of steps: what Python and PostgreSQL read in them is the same."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Value

from automate_core.definition import step_paths

PATHS = {
    "note": ("note", "", "note", ""),
    "each[3]/note": ("note", "4", "each/note", "each"),
    "outer[0]/inner[12]/route/note": ("note", "1.13", "outer/inner/route/note", "outer[0]/inner[12]/route"),
    "outer[0]/inner[12]": ("inner", "1", "outer/inner", "outer"),
    "": ("", "", "", ""),
}


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_read_the_same_everywhere(path, owner):
    key, items, place, holder = PATHS[path]
    assert (step_paths.key_of(path), step_paths.items_of(path)) == (key, items)
    assert (step_paths.without_items(path), step_paths.parent_path(path)) == (place, holder)
    rows = get_user_model().objects.annotate(path=Value(path), key=step_paths.key_in("path"))
    assert set(rows.values_list("key", flat=True)) == {key}
    assert [part.key for part in step_paths.path_parts(path)] == [each for each in place.split("/") if each]
