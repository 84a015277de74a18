"""Site status: what needs doing on this site, item by item, for the page, the overview and `automate_status`.

An app registers its items in `AppConfig.ready()`: `registry` says how.
"""
