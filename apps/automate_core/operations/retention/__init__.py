"""What is kept, for how long, and how it is let go: docs/operating.md says it to people.

A run is let go when its days are over, and nothing that goes on needs it: not while its caller, a run that it called
or one that repeats it has not ended, nor while somebody keeps it. All that is recorded of it goes with it, and its
event with the last run; `parent` and `retried_from` of others may then name a run that is gone. The audit trail stays.
"""
