"""The builder, without a window."""

from __future__ import annotations

from django.urls import reverse

from tests.support.pages import Page


class Builder:
    """A browser without a window."""

    def __init__(self, client, workflow):
        self.client, self.workflow = client, workflow
        self.status, self.page = 0, None

    def url(self, name="builder", *more):
        return reverse(f"studio:{name}", args=[self.workflow.pk, *more])

    def open(self, step=""):
        self.page = Page(self.client.get(self.url(), {"step": step} if step else {}))
        assert self.page.status == 200
        return self.page

    def panel(self, path):
        return Page(self.client.get(self.url("builder_step", path)))

    def do(self, do, **fields):
        rev = {} if do in {"undo", "redo"} or "rev" in fields else {"rev": self.state()["data-rev"]}
        return self.client.post(self.url("builder_command"), {"do": do, **rev, **fields})

    def state(self):
        return self.open().ids["draft-state"]

    def save(self, path, rev=None, **fields):
        """Post a panel's form: what it shows, with these differences."""
        page = self.panel(path)
        key = fields.get("trigger", path.rpartition("/")[2])
        rev = page.ids[f"rev-{key}"]["value"] if rev is None else rev
        return self.client.post(self.url("builder_step", path), {"rev": rev, **fields})
