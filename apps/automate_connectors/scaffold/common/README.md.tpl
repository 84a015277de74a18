# $title for Django Automate

A plug-in, found by its entry point in the group `$group`.

```sh
PYTHON=/srv/site/.venv/bin/python            # the Python of the site
uv pip install --python $$PYTHON pytest       # once: a site has none by itself
$$PYTHON -m pytest                            # its tests, the contract's among them
uv pip install --python $$PYTHON .            # into the site's environment, then restart the site
```

A clone of Django Automate has its uv in `.uv/bin` where the machine has none. Without uv, run `$$PYTHON -m ensurepip` once,
and say `$$PYTHON -m pip install` in place of `uv pip install --python $$PYTHON`.

`manage.py check` tells of a plug-in that does not load; the plug-ins page of the admin lists what is installed.
