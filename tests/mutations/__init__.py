"""`make mutations`: small faults put into security-relevant modules, one at a time; the tests named for them must fail.

`subjects.toml` says which tests answer for which module. A fault that no test notices is a survivor: it gets a test, or
an entry in `equivalent.toml` that says why it cannot matter.
"""
