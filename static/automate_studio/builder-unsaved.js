/* What was typed and is not stored, since it cannot be read or the server was not there: it stays until it is mended. Another
   step may be chosen meanwhile, and of who has to sign in again nothing is lost. */
(() => {
  "use strict";
  const builder = document.getElementById("builder");
  const kept = `automate-unsaved ${builder.dataset.person} ${location.pathname}`;
  const forms = new Map(); // by step and trigger: {path, texts: Map(name, text), isRefused}

  const keyOf = (form) => `${form.dataset.autosave.split("/").pop()} ${form.elements.trigger?.value ?? ""}`.trim();
  const cardOf = (path) => builder.querySelector(`.da-flow [data-key="${CSS.escape(path.split("/").pop())}"]`);

  // Whether a field can be filled again: of several with one name it is not known which, and a secret is not kept.
  const isOne = (field) => field?.matches?.("input:not([type=hidden], [type=password], [type=checkbox], [type=radio]), textarea, select") && field.name && field.form.elements[field.name] === field;

  const note = (form, field) => {
    if (!isOne(field)) return;
    const key = keyOf(form);
    if (!forms.has(key)) forms.set(key, { texts: new Map(), isRefused: false });
    const entry = forms.get(key);
    entry.path = form.dataset.autosave;
    entry.texts.set(field.name, field.value);
  };

  // What was sent is stored; what was typed since is not.
  const stored = (form, sent) => {
    const entry = forms.get(keyOf(form));
    if (!entry) return;
    entry.isRefused = false;
    for (const [name, text] of entry.texts) if (sent.get(name) === text) entry.texts.delete(name);
    if (!entry.texts.size) forms.delete(keyOf(form));
  };

  const refused = (form) => { const entry = forms.get(keyOf(form)); if (entry) entry.isRefused = true; };
  const drop = (form) => { forms.delete(keyOf(form)); };

  // What waits to be mended, without the steps that are gone: where, what that is called, and the first field.
  const all = () => {
    for (const [key, { path }] of forms) if (!path.startsWith("~") && !cardOf(path)) forms.delete(key);
    return [...forms.values()].filter((entry) => entry.isRefused).map(({ path, texts }) => {
      const card = cardOf(path);
      return { path: card?.dataset.path ?? path, name: card?.querySelector(".nm").textContent.trim() ?? (path === "~workflow" ? "Settings" : "Triggers"), field: [...texts.keys()][0] ?? "" };
    });
  };

  // Into a panel that has come anew; it is sent again, and what is wrong with it is said again.
  const restore = (panel) => {
    for (const form of panel.querySelectorAll("[data-autosave]")) {
      for (const [name, text] of forms.get(keyOf(form))?.texts ?? []) {
        const field = form.elements[name];
        if (!isOne(field) || field.value === text) continue;
        field.value = text;
        field.dispatchEvent(new Event("input", { bubbles: true }));
      }
    }
  };

  const keepForLater = () => {
    if (!forms.size) return;
    sessionStorage.setItem(kept, JSON.stringify([...forms].map(([key, entry]) => [key, { ...entry, texts: [...entry.texts] }])));
    forms.clear();
  };

  for (const [key, entry] of JSON.parse(sessionStorage.getItem(kept) ?? "[]")) forms.set(key, { ...entry, texts: new Map(entry.texts) });
  sessionStorage.removeItem(kept);

  window.automateUnsaved = { note, stored, refused, drop, all, restore, keepForLater };
})();
