"""Languages: texts, catalogues, time zones, the pseudo-locale."""
