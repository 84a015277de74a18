"""Retention: the days that data is kept, and its deletion (docs/operating.md).

A run is deleted when its days are over and no live run needs it: its caller, a run that it called, or its re-run. A
pinned run is kept. Everything recorded of it is deleted with it, and its event with the last run; `parent` and
`retried_from` of other runs may then name a deleted run. The audit trail stays.
"""
