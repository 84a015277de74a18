"""Metrics for Prometheus: read at each scrape from the stored statistics and the queue, kept in no process.

`readings` asks the database, `families` makes metric families of it, `collector` joins the two, and `view` answers
those whom `access` lets in. Only `families` and `collector` import prometheus-client, an extra.
"""
