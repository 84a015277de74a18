"""The overview: how the workflows do that a person may see, what needs attention, and who works.

`"DASHBOARD_CALLBACK": "automate_studio.overview.views.dashboard"` in `UNFOLD` makes it the admin's first page.
"""
