"""The overview: state of visible workflows, attention list, queue and workers.

`"DASHBOARD_CALLBACK": "automate_studio.overview.views.dashboard"` in `UNFOLD` makes it the admin's first page.
"""
