# $title for Django Automate

A plug-in, found by its entry point in the group `$group`.

```sh
python -m pytest                 # its tests, the contract's among them
pip install .                    # into the site's environment, then restart the site
```

`manage.py check` tells of a plug-in that does not load; the plug-ins page of the admin lists what is installed.
