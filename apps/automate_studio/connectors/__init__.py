"""Declared connectors: the list, drafts and their review, versions. For people who administer the site."""
