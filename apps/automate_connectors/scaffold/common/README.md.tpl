# $title for Django Automate

A plug-in for Django Automate. Its entry point is in the group `$group`.

```sh
PYTHON=/srv/site/.venv/bin/python            # the Python of the site
uv pip install --python $$PYTHON pytest       # once
$$PYTHON -m pytest                            # runs the tests, including the contract tests
uv pip install --python $$PYTHON .            # installs it; restart the site afterwards
```

A clone of Django Automate has uv in `.uv/bin` if the machine has none. Without uv, run `$$PYTHON -m ensurepip` once and
use `$$PYTHON -m pip install` instead of `uv pip install --python $$PYTHON`.

`manage.py check` reports plug-ins that do not load. The Plug-ins page of the admin lists the installed ones.
