"""Requests about personal data: finding everything that holds given texts, and erasing it (docs/personal-data.md).

A search and an erasure are passes in small transactions, each of which stores its position, as those of retention. An
event and its runs are erased together: payload, inputs, outputs, errors, logs, search terms and files. Rows, times and
states stay, so counts and statistics do too.
"""
