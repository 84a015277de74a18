"""Declared connectors against the vendors' own descriptions of their APIs.

Each request of a connector is looked up in a document that the vendor publishes: its method and path, the place, name
and type of each value, choices and constants that are not in an enumeration, required values that are missing,
deprecation, and the paths that the connector reads in answers. `make vendor-check` runs it; `sources.py` says which
documents it takes. They are not part of this project: `AUTOMATE_VENDOR_DOCUMENTS` names the folder with those that
there are.
"""
