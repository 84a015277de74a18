"""The tables of `0001_initial`, by subject."""
