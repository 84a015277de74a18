/* The data picker beside the panel, the previews under its fields, and the choice of a sample. */
import { fill, gettext, ngettext } from "../shared/i18n.js";
import { focusOn, itemsOf, makeReachable, walk } from "../shared/roving.js";
import { choose as chooseStep, command, selected } from "./commands.js";
import { cardOf } from "./expressions.js";
import { editors, expressionEditors, of, scan } from "./field-editors.js";
import { openFunctions } from "./functions.js";
import { opener, written } from "./insertion.js";
import { request } from "./request.js";
import { switchTo } from "./value-modes.js";

const builder = document.getElementById("builder");
const picker = document.getElementById("picker");
const samples = document.getElementById("samples");
const base = builder.dataset.steps.replace(/step\/$/, "");

const ask = async (url, values, signal) => {
  const answer = await request(url, values, { signal });
  return { ok: answer.ok, html: answer.ok || answer.status === 422 ? await answer.text() : "" };
};

// --- the picker ---------------------------------------------------------------------------------------------------------

let target = null; // {editor, start, end, seen, isTyped}: what is inserted goes there, of an editor that takes names a name
let asked = 0; // how often it was opened or closed: an answer is about the last time

const url = () => `${base}data/${selected}/`;
const items = () => itemsOf(picker);
const say = (text) => { const said = document.getElementById("picker-said"); if (said) said.textContent = text; };

export const open = async (editor, { isTyped = false, start, end, query = "" } = {}) => {
  const caret = editor.caret;
  target = { editor, start: start ?? caret.start, end: end ?? caret.end, seen: caret, isTyped, query, path: selected };
  const turn = ++asked;
  const files = editor.field.dataset.takesExpression === "file" ? "?files=1" : ""; // a field for a file is offered files
  const { ok, html } = await ask(`${url()}${files}`);
  if (turn !== asked || !ok || !target) return;
  picker.innerHTML = html;
  picker.hidden = false;
  picker.toggleAttribute("data-names", Boolean(editor.takesNames));
  picker.toggleAttribute("data-one", Boolean(editor.picksOne));
  htmx.process(picker);
  if (editor.title) picker.querySelector("h2").textContent = editor.title;
  ready();
  if (target.query) search(target.query); // what was typed meanwhile
  if (!isTyped) document.getElementById("picker-search").focus();
};

const close = ({ back = true } = {}) => {
  asked += 1;
  isSearching = false;
  picker.hidden = true;
  picker.replaceChildren();
  const left = target;
  target = null;
  if (!back || !left?.editor.field.isConnected || left.isTyped) return;
  const caret = insertionPoint(left);
  left.editor.focus();
  left.editor.caret = caret;
};

// The first item can be reached by the key, and steps have the tiles of their cards.
const ready = () => {
  for (const group of picker.querySelectorAll(".group-head[data-open]")) {
    const [root, key] = JSON.parse(group.dataset.open);
    const card = root === "steps" ? cardOf(key) : root === "event" ? document.getElementById("card-trigger") : null;
    const tile = card?.querySelector(".da-tile")?.cloneNode(true);
    if (!tile || (root === "event" && !group.parentElement.matches(":first-child"))) continue;
    tile.classList.add("small");
    group.querySelector(".da-tile").replaceWith(tile);
  }
  makeReachable();
};

let isSearching = false; // what is shown was found for an earlier text
let pending = null; // what a key asks for meanwhile: it is about what will be found
const settled = (act) => { if (isSearching) pending = act; else act(); };

const search = (query) => {
  const field = document.getElementById("picker-search");
  field.value = query;
  field.dispatchEvent(new Event("input", { bubbles: true }));
};

const expand = async (item, on) => {
  if (!item.hasAttribute("aria-expanded")) return;
  item.setAttribute("aria-expanded", on);
  const group = item.nextElementSibling;
  if (!on || item.hasAttribute("data-filled")) return;
  item.setAttribute("data-filled", "");
  const only = item.closest(".tree-group").firstElementChild.dataset.onlyIf ?? "";
  const { ok, html } = await ask(`${url()}?${new URLSearchParams({ open: item.dataset.open, level: item.dataset.level, only_if: only })}`);
  if (ok) group.innerHTML = html; else item.removeAttribute("data-filled");
};

const insertOf = (item) => (target.editor.takesNames ? item.dataset.name : item.dataset.insert);

// The place moves with the caret: somebody may go on writing while the picker stays open.
const insertionPoint = ({ editor, start, end, seen, isTyped }) => {
  const caret = editor.caret;
  return isTyped || (caret.start === seen.start && caret.end === seen.end) ? { start, end } : caret;
};

const isList = (item) => item.querySelector(".da-type-glyph")?.dataset.glyph === "[ ]";

const insert = async (item, { stay = false } = {}) => {
  if (isList(item) && !target.editor.raw?.trim()) target = await asWholeList(target);
  const { editor } = target;
  const { start, end } = insertionPoint(target);
  const expression = item.dataset.actData === "each" ? "{{ item }}" : insertOf(item);
  const text = editor.takesNames || editor.picksOne ? expression : written(editor.field, editor.raw.slice(0, start), expression);
  editor.focus();
  editor.replace(start, end, text);
  const caret = start + text.length;
  target = { ...target, start: caret, end: caret, seen: editor.caret, isTyped: false };
  say(fill(gettext("Inserted %(name)s"), { name: item.getAttribute("aria-label") }));
  if (item.dataset.actData === "each") await repeat(item.dataset.insert);
  if (!stay) close();
};

// A list is the whole of a field of rows that holds nothing else; as an entry, it would be a list in a list.
const asWholeList = async (place) => {
  const whole = await wholeField(place.editor);
  if (!whole) return place;
  const caret = { start: whole.raw.length, end: whole.raw.length };
  return { ...place, editor: whole, ...caret, seen: caret, isTyped: false };
};

// The step that is edited is put into a loop over the list.
const repeat = (list) => {
  const key = target.path.split("/").pop();
  close({ back: false });
  return command({ do: "wrap", key, kind: "for_each", items: list });
};

picker.addEventListener("click", (event) => {
  const item = event.target.closest("[role=treeitem]");
  if (event.target.closest("[data-close-picker]")) close();
  else if (item && insertOf(item) && !event.target.closest(".turn")) insert(item, { stay: !target.editor.picksOne && matchMedia("(min-width: 1281px)").matches });
  else if (item) { focusOn(item); expand(item, item.getAttribute("aria-expanded") !== "true"); }
});

// The search field asks by itself; what is on its way for an earlier text comes too late.
picker.addEventListener("input", ({ target: field }) => {
  htmx.trigger(field, "htmx:abort");
  isSearching = true;
  pending = null;
});
picker.addEventListener("htmx:afterSettle", () => {
  isSearching = false;
  ready();
  const found = picker.querySelectorAll("[data-insert]").length;
  say(fill(ngettext("%(count)s found", "%(count)s found", found), { count: found }));
  pending?.();
  pending = null;
});

picker.addEventListener("keydown", (event) => {
  const item = event.target.closest("[role=treeitem]");
  const isField = event.target.id === "picker-search";
  if (isField && event.key === "ArrowDown") settled(() => focusOn(nearest(event.target.value)));
  else if (isField && event.key === "Enter") settled(() => first() && insert(first()));
  else if (item && event.key === "ArrowUp" && item === items()[0]) document.getElementById("picker-search").focus();
  else if (item && event.key === "Enter") insertOf(item) ? insert(item) : walk("ArrowRight", item, expand);
  else if (item && ["ArrowLeft", "ArrowRight"].includes(event.key)) walk(event.key, item, expand);
  else return;
  event.preventDefault();
  event.stopPropagation();
});

// While somebody types after a brace, the arrow goes into the tree; Enter takes the first that fits, once there is a search.
const first = () => items().find(insertOf);
// Of what was found the first hit, not the heading above it.
const nearest = (query) => (query && first()) || items().find((each) => each.tabIndex === 0) || items()[0];
const acts = {
  ArrowDown: () => (settled(() => focusOn(nearest(target.query))), true),
  Enter: () => target.query && (isSearching || first()) && (settled(() => first() && insert(first())), true),
};

// Before the builder's own: Escape closes the picker, and the panel keeps the focus.
document.addEventListener("keydown", (event) => {
  if (picker.hidden || samples.open) return;
  if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); close(); }
  else if (target?.isTyped && of(event.target) === target.editor && acts[event.key]?.()) { event.preventDefault(); event.stopPropagation(); }
}, true);

// The field of a condition's row: the whole of it is the name of what is chosen.
const naming = (field, button) => ({
  field,
  takesNames: true,
  picksOne: true,
  caret: { start: 0, end: field.value.length },
  focus: () => (field.value ? field : button).focus(), // an empty one would open its own chooser
  replace: (start, end, text) => {
    field.value = text;
    field.focus();
    field.dispatchEvent(new Event("change", { bubbles: true }));
  },
});
// Another path has another name, which comes with the answer.
for (const kind of ["input", "change"]) builder.addEventListener(kind, (event) => event.target.id && builder.querySelector(`[data-name-of="${CSS.escape(event.target.id)}"]`)?.remove());
builder.addEventListener("click", (event) => {
  const button = event.target.closest("[data-field-data]");
  if (button) open(naming(button.parentElement.querySelector("input"), button));
});

// --- typing a brace -----------------------------------------------------------------------------------------------------

const typed = (editor, event) => {
  const { start, end } = editor.caret;
  const found = start === end && opener(editor.field, editor.raw.slice(0, start));
  const query = found ? found[1].replace(/[.[\]"']+/g, " ").trim() : "";
  if (target?.isTyped && target.editor === editor) {
    if (!found) close({ back: false });
    else { target = { ...target, start: found.index, end: start, query }; if (!picker.hidden) search(query); }
  } else if (found && event.data === "{") open(editor, { isTyped: true, start: found.index, end: start, query });
};

builder.addEventListener("input", (event) => {
  const editor = of(event.target);
  if (!editor) return;
  if (event.inputType) typed(editor, event);
  preview(editor, 300);
});

// --- previews -----------------------------------------------------------------------------------------------------------

const shown = new Map(); // what a field came to, by its id: a panel that is drawn anew shows it again
const waiting = new Map();

const place = (editor) => {
  const id = `preview-${editor.field.id}`;
  let found = document.getElementById(id);
  if (!found) {
    found = Object.assign(document.createElement("div"), { id, className: "da-preview" });
    editor.field.closest(".da-field").append(found);
  }
  return found;
};

const preview = (editor, wait) => {
  const { field } = editor;
  const before = waiting.get(field.id);
  clearTimeout(before?.timer);
  before?.abort.abort();
  if (!/\{[{%]/.test(field.value)) { shown.delete(field.id); document.getElementById(`preview-${field.id}`)?.remove(); return; }
  const abort = new AbortController();
  const path = selected;
  const turn = async () => {
    const { ok, html } = await ask(`${base}preview/${path}/`, { name: field.name, text: field.value, id: field.id, drawn: field.form?.elements[`${field.name}::drawn`]?.value ?? "" }, abort.signal).catch((error) => {
      if (error.name !== "AbortError") throw error;
      return { ok: false };
    });
    if (!ok || path !== selected) return;
    shown.set(field.id, { path, html, text: field.value });
    draw(editor, html);
  };
  waiting.set(field.id, { abort, timer: setTimeout(turn, wait) });
};

const draw = (editor, html) => {
  if (!editor.field.isConnected || !holderOf(editor)) return;
  if (isRow(editor)) for (const other of holderOf(editor).querySelectorAll(".da-preview")) other.remove(); // one at a time
  place(editor).outerHTML = html;
  const others = [...(editor.field.closest(".da-rowset")?.querySelectorAll("[data-row] input") ?? [])].filter((each) => each !== editor.field);
  if (others.some((each) => each.value.trim())) document.querySelector(`[data-use-whole="${CSS.escape(editor.field.id)}"]`)?.remove();
};

const again = () => { shown.clear(); for (const editor of expressionEditors()) if (editor.field.isConnected) preview(editor, 0); };

document.addEventListener("automate:tested", again);
document.addEventListener("automate:tested", () => refresh());

// An open picker shows the names of the steps as they are, and the outputs of the last test.
const namesOfOthers = () => [...builder.querySelectorAll(".da-flow [role=treeitem]:not([aria-selected=true]) .name")].map((name) => name.textContent).join();
const refresh = () => { if (!picker.hidden) search(document.getElementById("picker-search").value); };
let names = namesOfOthers();
new MutationObserver(() => {
  if (names !== (names = namesOfOthers()) && target?.path === selected) refresh();
}).observe(builder.querySelector(".da-flow").parentElement, { childList: true, characterData: true, subtree: true });

// --- each field ---------------------------------------------------------------------------------------------------------

const holderOf = (editor) => editor.field.closest(".da-field");
const isRow = (editor) => Boolean(editor.field.closest("[data-row]"));
const inside = (holder) => expressionEditors().filter((editor) => editor.field.isConnected && holderOf(editor) === holder);
let latest = null; // the field that had the focus last: of a field of rows, the one that the buttons are about
builder.addEventListener("focusin", (event) => { latest = of(event.target) ?? latest; });

// The field of rows as an expression; null where there are other rows, or where entries may be lists.
const wholeField = async ({ field }) => {
  const rows = field.closest(".da-rowset:not([data-nested])");
  const button = field.name?.endsWith("::item") && rows?.closest(".da-field").querySelector("[data-mode=expression]");
  if (!button || [...rows.querySelectorAll("input[name$='::item']")].some((each) => each !== field && each.value.trim())) return null;
  const holder = rows.closest(".da-field");
  await switchTo(button);
  scan();
  return expressionEditors().find((each) => each.field.isConnected && holderOf(each) === holder && !isRow(each)) ?? null;
};

builder.addEventListener("click", async (event) => {
  const entry = editors.get(event.target.closest("[data-use-whole]")?.dataset.useWhole);
  if (!entry) return;
  const text = entry.raw;
  const whole = await wholeField(entry);
  whole?.replace(0, whole.raw.length, text);
});

// A sum becomes one expression.
builder.addEventListener("click", (event) => {
  const button = event.target.closest("[data-use]");
  const editor = button && editors.get(button.dataset.useIn);
  if (!editor) return;
  editor.focus();
  editor.replace(0, editor.raw.length, button.dataset.use);
});

const dress = (editor) => {
  const holder = holderOf(editor);
  if (!holder) return;
  if (!holder.querySelector(".da-expression-tools")) (holder.querySelector(".da-label") ?? holder).append(tools(holder));
  const known = shown.get(editor.field.id);
  if (known && known.path === selected && known.text === editor.field.value) draw(editor, known.html);
  else if (!isRow(editor)) preview(editor, 60);
};

const tools = (holder) => {
  const made = Object.assign(document.createElement("span"), { className: "da-expression-tools" });
  const current = () => { const all = inside(holder); return all.includes(latest) ? latest : all[0]; };
  made.append(
    button(gettext("Show source"), (self) => { const editor = current(); editor.formula = !editor.isFormula; self.setAttribute("aria-pressed", editor.isFormula); }),
    button(gettext("Functions"), () => openFunctions(current())),
    button(gettext("Insert data"), () => open(current()), "data_object"),
  );
  return made;
};

const button = (label, act, icon) => {
  const made = Object.assign(document.createElement("button"), { type: "button", className: "da-btn ghost tiny", textContent: label });
  if (icon) made.prepend(Object.assign(document.createElement("i"), { className: "icon icon-tiny", ariaHidden: "true" }));
  if (icon) made.firstChild.dataset.icon = icon;
  made.addEventListener("mousedown", (event) => event.preventDefault()); // the caret stays where it is
  made.addEventListener("click", () => act(made));
  return made;
};

document.addEventListener("automate:field", (event) => dress(event.detail));
for (const editor of expressionEditors()) dress(editor);

// The tools and previews go when the panel is drawn anew; fields that stayed get theirs again.
new MutationObserver(() => {
  scan();
  for (const editor of expressionEditors()) if (holderOf(editor) && !holderOf(editor).querySelector(".da-expression-tools")) dress(editor);
  for (const left of document.querySelectorAll("#inspector .da-expression-tools")) if (!inside(left.closest(".da-field")).length) left.remove();
  const isThere = target?.editor.picksOne ? target.editor.field.isConnected : editors.has(target?.editor.field.id);
  if (target && (target.path !== selected || !isThere)) close({ back: false });
  else if (target && !target.editor.picksOne) target.editor = editors.get(target.editor.field.id);
}).observe(document.getElementById("inspector"), { childList: true, subtree: true });

// --- samples ------------------------------------------------------------------------------------------------------------

const choose = async (from) => {
  const { ok, html } = await ask(from);
  if (!ok) return;
  samples.innerHTML = html;
  samples.showModal();
  (samples.querySelector("[aria-pressed=true]") ?? samples.querySelector("button")).focus();
};

const chosen = async (values) => {
  const from = samples.querySelector("[data-url]").dataset.url;
  const { ok, html } = await ask(from, values);
  if (!ok) { if (html) { samples.innerHTML = html; samples.querySelector("[aria-invalid]")?.focus(); } return; }
  samples.close();
  again();
  if (document.querySelector("#inspector [data-condition]")) chooseStep(selected);
  if (target) open(target.editor, target);
};

samples.addEventListener("click", (event) => {
  const option = event.target.closest("[data-choose-sample]");
  if (option) chosen({ choose: option.dataset.chooseSample });
});
samples.addEventListener("submit", (event) => {
  event.preventDefault();
  chosen({ choose: "edited", payload: new FormData(event.target).get("payload") });
});
builder.addEventListener("click", (event) => { const button = event.target.closest("[data-sample]"); if (button) choose(button.dataset.sample); });
