"""The example is a host project that works: on the built wheel, in an environment of its own, by its own tests."""

from __future__ import annotations

import os

import pytest

from tests.support.wheel import SHOP, run


@pytest.mark.extended
@pytest.mark.process
@pytest.mark.timeout(1_800)  # a whole project, on a busy machine too
def test_the_shop_works_on_the_wheel(wheel_python):
    where = run(wheel_python, "-c", "import automate_core; print(automate_core.__file__)", cwd=SHOP).stdout
    assert where.startswith(str(wheel_python.parent.parent)), "the wheel, not the checkout"
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    own = {"DATABASE_URL": f"{base.rpartition('/')[0]}/shop?{query}"}  # beside the database of these tests
    run(wheel_python, "manage.py", "makemigrations", "--check", "--dry-run", cwd=SHOP, **own)
    done = run(wheel_python, "-W", "error", "manage.py", "test", "--noinput", cwd=SHOP, **own)
    assert "Ran 12 tests" in done.stderr, done.stderr
