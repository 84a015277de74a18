"""A new connector: an OpenAPI document or a connector.yaml, uploaded, pasted or fetched."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from automate_connectors.declared.openapi.connector import AddressError
from automate_connectors.declared.openapi.reader import MAX_BYTES
from automate_connectors.declared.yaml_files import DocumentError
from automate_connectors.stored import drafts
from automate_connectors.stored.fetching import fetch_document
from automate_governance.admin_site import reverse
from automate_governance.texts import translated
from automate_studio.connectors.access import check_administers
from automate_ui.admin_page import render_page
from automate_ui.navigation.http import HttpResponseSeeOther, current_person

_LONGEST = 1_000_000  #: characters that are pasted
_KINDS = {"accept": ".json,.yaml,.yml,application/json,application/yaml"}


class SourceForm(forms.Form):
    """A document in one of three ways. `source` is its bytes after validation."""

    file = forms.FileField(
        required=False,
        label=gettext_lazy("File"),
        help_text=gettext_lazy("An OpenAPI document 3.0 or 3.1 in JSON or YAML, or a connector.yaml"),
        widget=forms.FileInput(attrs=_KINDS),
    )
    text = forms.CharField(
        required=False,
        strip=False,
        max_length=_LONGEST,
        label=gettext_lazy("Or paste it"),
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "mono"}),
    )
    url = forms.CharField(
        required=False,
        max_length=2_000,
        label=gettext_lazy("Or fetch it from a URL"),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off"}),
    )
    base_url = forms.CharField(
        required=False,
        max_length=500,
        label=gettext_lazy("Address of the API"),
        help_text=gettext_lazy(
            "Required if the document names no public address. For example https://api.example.com/v1"
        ),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off"}),
    )
    source = b""
    kept = ""  #: the name of a file whose text stands in the field for a text

    def keep_file(self) -> None:
        """Put an uploaded document into the field for a text: a browser sends no file again after an error."""
        upload = self.files.get("file")
        if upload is None or (upload.size or 0) > _LONGEST or (self.data.get("text") or "").strip():
            return
        upload.seek(0)
        try:
            written = upload.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            return
        self.data = {**{name: self.data.get(name) for name in self.data}, "text": written}
        for error in self.errors.pop("file", ()):
            self.add_error("text", error)
        self.kept = upload.name or ""

    def clean(self) -> dict[str, Any]:
        """Read the document of the one field that is filled in."""
        given = {name: self.cleaned_data.get(name) for name in ("file", "text", "url") if self.cleaned_data.get(name)}
        if len(given) != 1 and not self.errors:
            self.add_error("file", _("Provide one document: a file, a text or a URL."))
        elif not self.errors:
            [(name, value)] = given.items()
            try:
                self.source = self._read(name, value)
            except DocumentError as error:
                self.add_error(name, translated(error.reason))
        return self.cleaned_data

    def _read(self, name: str, value: Any) -> bytes:
        if name == "url":
            return fetch_document(value.strip())
        if name == "text":
            return str(value).encode("utf-8", "replace")
        return bytes(value.read(MAX_BYTES + 1))

    @property
    def source_field(self) -> str:
        """The field that the document came from."""
        return next(name for name in ("file", "text", "url") if self.cleaned_data.get(name))


@require_http_methods(["GET", "HEAD", "POST"])
def connector_new(request: HttpRequest) -> HttpResponse:
    """The form; a POST begins a draft. An OpenAPI document goes on with the choice of its operations."""
    check_administers(request)
    form = SourceForm(request.POST, request.FILES) if request.method == "POST" else SourceForm()
    if form.is_bound and form.is_valid():
        try:
            base_url = form.cleaned_data["base_url"].strip()
            draft = drafts.begin_draft(form.source, by=current_person(request), base_url=base_url)
        except AddressError as error:
            form.add_error("base_url", translated(error.reason))
        except DocumentError as error:
            form.add_error(form.source_field, line_and_reason(error))
        else:
            page = "studio:connector_operations" if draft.document else "studio:connector_draft"
            return HttpResponseSeeOther(reverse(page, args=[draft.pk]))
    if form.is_bound:
        form.keep_file()
    status = 422 if form.is_bound else 200
    return render_page(
        request, "automate_studio/connectors/new.html", _("New connector"), status=status, form=form,
        back=reverse("studio:connector_list"),
    )  # fmt: skip


def line_and_reason(error: DocumentError) -> str:
    """Problems of a document, with the line where it is known."""
    reason = translated(error.reason)
    return _("Line %(line)s: %(reason)s") % {"line": error.line, "reason": reason} if error.line else reason
