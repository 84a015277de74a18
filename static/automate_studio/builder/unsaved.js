/* What was typed and is not stored yet. Of a form only the fields go to the server that somebody touched, so that nobody
   else's edit is taken back. What cannot be read, or met a conflict, or found no server, stays until that is settled:
   another step may be chosen meanwhile, and of a person who has to sign in again nothing is lost. */
import { gettext } from "../shared/i18n.js";

const builder = document.getElementById("builder");
const kept = `automate-unsaved ${builder.dataset.person} ${location.pathname}`;
const forms = new Map(); // by step and trigger: {path, fields, isRefused}; fields by their names: [name, text] pairs

const keyOf = (form) => `${form.dataset.autosave.split("/").pop()} ${form.elements.trigger?.value ?? ""}`.trim();
const cardOf = (path) => builder.querySelector(`.da-flow [data-key="${CSS.escape(path.split("/").pop())}"]`);

// Of rows the columns are named `field::column`.
const baseOf = (name) => name.split("::")[0];
const pairsOf = (base, values) => [...values].filter(([name]) => baseOf(name) === base);
const isSecret = (form, base) => [...form.elements].some((each) => each.type === "password" && baseOf(each.name) === base);
const isSame = (some, others) => JSON.stringify(some) === JSON.stringify(others);

// Fields that make one value, such as those of a schedule, go together.
const together = (field) => {
  const all = field.closest("[data-together]") ? field.form.querySelectorAll("[data-together] [name]") : [];
  return new Set([...all].map((each) => baseOf(each.name)));
};

export const note = (form, field) => {
  const name = field.name || field.closest("[data-field]")?.dataset.field; // rows and editors have none themselves
  if (!name) return;
  const key = keyOf(form);
  if (!forms.has(key)) forms.set(key, { fields: new Map() });
  const entry = forms.get(key);
  entry.path = form.dataset.autosave;
  const now = new FormData(form);
  for (const base of [baseOf(name), ...(field.name ? together(field) : [])]) entry.fields.set(base, pairsOf(base, now));
};

// What is sent of a form: what was touched, with what goes together with it, and what says which form it is.
export const values = (form) => {
  const all = new FormData(form);
  const touched = new Set(["rev", "trigger", ...(forms.get(keyOf(form))?.fields.keys() ?? [])]);
  for (const field of [...form.elements].filter((each) => touched.has(baseOf(each.name)))) for (const base of together(field)) touched.add(base);
  const sent = new FormData();
  for (const [name, value] of all) if (touched.has(baseOf(name))) sent.append(name, value);
  return sent;
};

// What was sent is stored, but for the fields named `unread`; what was typed since is not.
export const stored = (form, sent, unread = []) => {
  const entry = forms.get(keyOf(form));
  if (!entry) return;
  for (const [base, pairs] of entry.fields) if (!unread.includes(base) && isSame(pairs, pairsOf(base, sent))) entry.fields.delete(base);
  entry.isRefused = unread.length > 0;
  if (!entry.fields.size) forms.delete(keyOf(form));
};

export const refused = (form) => { const entry = forms.get(keyOf(form)); if (entry) entry.isRefused = true; };

// A conflict has its note, which sends it again: until then the field shows it, and nothing else is held up by it.
export const drop = (form) => { forms.delete(keyOf(form)); };

// What waits to be mended, without the steps that are gone: where, what that is called, and the first field.
export const all = () => {
  for (const [key, { path }] of forms) if (!path.startsWith("~") && !cardOf(path)) forms.delete(key);
  return [...forms.values()].filter((entry) => entry.isRefused).map(({ path, fields }) => {
    const card = cardOf(path);
    return { path: card?.dataset.path ?? path, name: card?.querySelector(".name").textContent.trim() ?? (path === "~workflow" ? gettext("Settings") : gettext("Triggers")), field: [...fields.keys()][0] ?? "" };
  });
};

// --- into a panel that has come anew: it is sent again, and what is wrong with it is said again -------------------------

const setRows = (set, pairs) => {
  const body = set.querySelector(".da-rowset-body");
  const counts = new Map();
  for (const [name] of pairs) if (!name.endsWith("::rows")) counts.set(name, (counts.get(name) ?? 0) + 1);
  const wanted = Math.max(0, ...counts.values());
  while (body.children.length > wanted) body.lastElementChild.remove();
  while (body.children.length < wanted) body.append(set.querySelector(":scope > template").content.firstElementChild.cloneNode(true));
};

const put = (control, texts) => {
  if (control.type === "checkbox") control.checked = texts.includes(control.value);
  else if (control.type !== "hidden" && texts.length) control.value = texts.shift();
  else texts.shift();
};

export const restore = (panel) => {
  for (const form of panel.querySelectorAll("[data-autosave]")) {
    for (const [base, pairs] of forms.get(keyOf(form))?.fields ?? []) {
      if (!pairs.length || isSame(pairs, pairsOf(base, new FormData(form)))) continue;
      const set = form.elements[`${base}::rows`]?.closest(".da-rowset");
      if (Boolean(set) !== pairs.some(([name]) => name.endsWith("::rows"))) continue; // drawn as another kind of value
      if (set) setRows(set, pairs);
      const controls = [...form.elements].filter((each) => each.name && baseOf(each.name) === base);
      for (const name of new Set(controls.map((each) => each.name))) {
        const texts = pairs.filter(([of]) => of === name).map(([, text]) => text);
        for (const control of controls.filter((each) => each.name === name)) put(control, texts);
      }
      controls.at(-1)?.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }
};

// Secrets are not kept.
export const keepForLater = () => {
  for (const form of builder.querySelectorAll("[data-autosave]")) {
    const fields = forms.get(keyOf(form))?.fields ?? new Map();
    for (const base of [...fields.keys()]) if (isSecret(form, base)) fields.delete(base);
  }
  if (!forms.size) return;
  sessionStorage.setItem(kept, JSON.stringify([...forms].map(([key, entry]) => [key, { ...entry, fields: [...entry.fields] }])));
  forms.clear();
};

for (const [key, entry] of JSON.parse(sessionStorage.getItem(kept) ?? "[]")) forms.set(key, { ...entry, fields: new Map(entry.fields) });
sessionStorage.removeItem(kept);
