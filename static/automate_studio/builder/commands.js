/* The builder: sends commands, puts the parts of each answer in their places, and knows the keys. The server is the model. */
import { fill, gettext } from "../shared/i18n.js";
import * as focus from "./focus.js";
import { notSaved, request, serverError } from "./request.js";
import * as unsaved from "./unsaved.js";

const builder = document.getElementById("builder");
const steps = builder.dataset.steps;
export let selected = builder.dataset.selected;
let choices = 0; // how often somebody chose a step
let leaving = false; // what is sent now outlives the page
let entering = null; // the field of a condition or a route's name in which somebody types
let pausing = null; // until it is sent
const LEFT = `automate-left ${location.pathname}`;
let busy = Promise.resolve(); // one request after the other, in the order in which they were made

export const draft = () => document.getElementById("draft-state").dataset;
const saved = (text, isBad = false) => {
  const said = document.getElementById("saved");
  said.textContent = text;
  said.classList.toggle("faulty", isBad);
};

// Where something waits to be mended, the bar leads there.
const sayUnsaved = () => {
  if (entering) saved(gettext("Not saved yet"));
  const [first] = unsaved.all();
  if (!first) return;
  const link = Object.assign(document.createElement("a"), { href: `?step=${encodeURIComponent(first.path)}`, textContent: fill(gettext("Not saved: %(name)s"), { name: first.name }) });
  Object.assign(link.dataset, { problem: first.path, field: first.field });
  saved("", true);
  document.getElementById("saved").append(link);
};

// --- answers ----------------------------------------------------------------------------------------------------------

// Parts are morphed into what has their id, so that focus, scroll and open disclosures stay; `data-replace` replaces the content.
// What the answer chooses is chosen, unless somebody has chosen another step meanwhile: its panel is on its way.
const show = (html, follow, sent) => {
  const template = document.createElement("template");
  const hadFocus = !focus.isLost();
  const { last } = draft();
  template.innerHTML = html;
  keepTyped(template.content);
  const chosen = template.content.getElementById("draft-state")?.dataset.selected;
  if (follow && chosen !== undefined) selected = chosen;
  const isOutdated = (part) => (part.id === "inspector" && chosen !== selected) || (part.id === "conflict" && !part.childElementCount && isUnsettled(sent));
  const parts = [...template.content.children].filter((part) => part.id && document.getElementById(part.id) && !isOutdated(part));
  for (const part of parts.filter((each) => !each.hasAttribute("data-replace"))) part.setAttribute("hx-swap-oob", `morph:#${CSS.escape(part.id)}`);
  htmx.swap(builder, parts.filter((part) => part.hasAttribute("hx-swap-oob")).map((part) => part.outerHTML).join(""), { swapStyle: "none" });
  for (const part of parts.filter((each) => each.hasAttribute("data-replace"))) {
    const target = document.getElementById(part.id);
    const back = target === inspector ? place() : null;
    if (conditionsWaiting) keepConditions(part, target);
    target.replaceChildren(...part.childNodes);
    htmx.process(target);
    if (target === inspector) unsaved.restore(inspector);
    back?.();
  }
  const isOldMessage = draft().last !== last && !parts.some((part) => part.id === "toast");
  if (isOldMessage) document.querySelector("#toast [data-do-now]")?.remove(); // undo takes back another edit now
  if (chosen !== undefined) mark();
  if (hadFocus) focus.rescue(cardOf(selected));
};

// A field's conflict keeps its note until that field is stored, whatever else is stored meanwhile.
const isUnsettled = (sent) => {
  const form = document.querySelector("#conflict form[data-again]");
  if (!form || form.elements.do) return false;
  const names = new Set(new FormData(form).keys());
  return !(sent instanceof FormData && [...sent.keys()].some((name) => !["rev", "trigger"].includes(name) && names.has(name)));
};

// The focus, the caret and what is scrolled, to be given back to a panel that is drawn anew.
const place = () => {
  const field = document.activeElement;
  const top = inspector.scrollTop;
  const { id = "", selectionStart: start, selectionEnd: end } = inspector.contains(field) ? field : {};
  return () => {
    inspector.scrollTop = top;
    const same = document.getElementById(id);
    if (!same || document.activeElement !== document.body) return;
    same.focus({ preventScroll: true });
    if (Number.isInteger(start)) same.setSelectionRange(start, end);
  };
};

// What somebody has typed since the request left stays, and is sent when they leave the field: a browser that has been
// told a field's value does not say any more that it changed.
let unsent = null;
let conditionsWaiting = 0; // changes that are not on their way yet: what is drawn before them is out of date
const keepTyped = (answer) => {
  if (conditionsWaiting) for (const stale of [...answer.children].filter((each) => each.matches(".da-condition"))) stale.remove();
  const typing = document.activeElement;
  if (!typing?.matches?.("[data-condition] input, [data-condition] textarea, [data-do-change]")) return;
  const same = answer.getElementById(typing.id);
  if (!same || same.value === typing.value) return;
  unsent = typing;
  if (same.localName === "textarea") same.textContent = typing.value;
  else same.setAttribute("value", typing.value);
};

// A panel that is drawn anew takes over the conditions on the page: what its answer has of them is out of date.
const keepConditions = (part, target) => {
  for (const stale of part.querySelectorAll(".da-condition")) {
    const live = target.querySelector(`#${CSS.escape(stale.id)}`);
    if (live) stale.replaceWith(live);
  }
};

// A button that is pressed stays until it is released: a panel that is drawn meanwhile would take the click with it.
let pressed = null;
builder.addEventListener("pointerdown", () => {
  pressed = new Promise((resolve) => {
    for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => setTimeout(resolve), { once: true });
    setTimeout(resolve, 2000);
  });
}, true);

// {status, unread}: the status of the answer, 0 where there is none, and the fields that it says were not stored.
const post = (url, values) => {
  const before = choices;
  const turn = async () => {
    saved(gettext("Saving"));
    const sent = typeof values === "function" ? values() : values;
    const answer = await request(url, sent, { keepalive: leaving });
    const html = await answer.text();
    await pressed;
    if (answer.ok || [409, 422].includes(answer.status)) show(html, choices === before, sent);
    if (answer.status === 409 || answer.status === 422) saved(gettext("Not saved"), true);
    else if (!answer.ok) saved(notSaved(answer.status), true);
    const { unread } = html.includes("data-unread") ? draft() : {};
    return { status: answer.status, unread: unread ? JSON.parse(unread) : [] };
  };
  busy = busy.then(turn).catch((error) => {
    saved(notSaved(0), true);
    if (!(error instanceof TypeError)) reportError(error);
    return { status: 0, unread: [] };
  });
  return busy;
};

const isOk = (status) => status >= 200 && status < 300;

export const send = async (url, values) => {
  const done = isOk((await post(url, values)).status);
  sayUnsaved();
  return done;
};

export const command = async (values, toCard = true) => {
  await flush();
  const before = choices;
  const done = await send(builder.dataset.do, () => ({ rev: draft().rev, last: draft().last, selected, ...(typeof values === "function" ? values() : values) }));
  if (done && before === choices) focus.afterEdit(typeof values === "function" ? {} : values, cardOf(selected), toCard);
  return done;
};

// --- what is folded up: by path, kept while the tree is drawn anew ------------------------------------------------------

const folded = new Set();
const armsOf = (card) => document.getElementById(`arms-${card.id.slice("card-".length)}`);

const fold = () => {
  for (const card of builder.querySelectorAll(".da-flow [data-key]")) {
    const arms = armsOf(card);
    if (!arms) continue;
    arms.hidden = folded.has(card.dataset.path);
    card.setAttribute("aria-expanded", !arms.hidden);
    const inside = arms.hidden ? arms.querySelectorAll("[data-key]").length : 0;
    const worst = arms.hidden && ["error", "warning"].find((level) => arms.querySelector(`.da-mark.${level}`));
    card.dataset.folded = arms.hidden ? `${inside} step${inside === 1 ? "" : "s"}${worst ? `, with ${worst}s` : ""}` : "";
    if (!inside) card.removeAttribute("data-folded");
  }
};

const foldAll = () => {
  const holders = [...builder.querySelectorAll(".da-flow [data-key]")].filter(armsOf);
  const shut = holders.every((card) => folded.has(card.dataset.path));
  folded.clear();
  if (!shut) for (const card of holders) folded.add(card.dataset.path);
  fold();
};

export const toggle = (card) => {
  if (!armsOf(card)) return;
  if (!folded.delete(card.dataset.path)) folded.add(card.dataset.path);
  fold();
};

// --- choosing a step --------------------------------------------------------------------------------------------------

const cards = () => [...builder.querySelectorAll(".da-flow [data-path]")].filter((card) => card.offsetParent);
export const cardOf = (path) => cards().find((card) => card.dataset.path === path);
const focused = () => document.activeElement?.closest?.(".da-flow [data-path]");

// The chosen step is marked, seen, and in the address.
const mark = () => {
  for (const holder of [...folded]) if (selected.startsWith(`${holder}/`)) folded.delete(holder);
  fold();
  for (const card of builder.querySelectorAll(".da-flow [data-path]")) {
    const on = card.dataset.path === selected;
    card.classList.toggle("chosen", on);
    card.setAttribute("aria-selected", on);
    card.tabIndex = on ? 0 : -1;
  }
  for (const empty of builder.querySelectorAll(".da-flow .da-empty > [role=treeitem]")) empty.tabIndex = -1;
  builder.classList.toggle("has-panel", Boolean(selected));
  const shown = inspector.querySelector("[data-inspected]");
  inspector.inert = Boolean(shown && selected && shown.dataset.inspected !== selected); // until its own panel is there
  history.replaceState(null, "", selected ? `?step=${encodeURIComponent(selected)}` : location.pathname);
  builder.dispatchEvent(new CustomEvent("automate:shown"));
};

// A panel comes in its turn, behind the edits made before, so that no answer of theirs meets another step's fields.
const inspector = document.getElementById("inspector");
builder.addEventListener("htmx:beforeRequest", (event) => { if (event.detail.target === inspector) event.preventDefault(); });

export const choose = (path, { focus: toField = false, field = "" } = {}) => {
  selected = path;
  choices += 1;
  mark();
  const turn = async () => {
    if (path !== selected) return; // another one is on its way
    const answer = await request(`${steps}${path}/`);
    if (path !== selected) return;
    inspector.inert = false;
    if (!answer.ok) { sayInPanel(answer.status === 404 ? gettext("This step was deleted.") : serverError(answer.status)); return; }
    inspector.innerHTML = await answer.text();
    htmx.process(inspector);
    unsaved.restore(inspector);
    inspector.scrollTop = 0;
    if (toField || isSheet()) focusOn(field);
    focus.rescue(cardOf(path));
  };
  busy = busy.then(turn).catch(() => { inspector.inert = false; sayInPanel(gettext("The server cannot be reached. Select the step again in a moment.")); });
};

const sayInPanel = (text) => {
  inspector.replaceChildren(document.getElementById("panel-none").content.cloneNode(true));
  Object.assign(inspector.querySelector("p"), { textContent: text, role: "alert" });
};

export const isSheet = () => matchMedia("(max-width: 1023px)").matches; // the panel covers the canvas

export const closePanel = () => {
  const card = cardOf(selected);
  flush();
  selected = "";
  choices += 1;
  inspector.replaceChildren(document.getElementById("panel-none").content.cloneNode(true));
  mark();
  card?.focus();
};

// To the field with that id or name, or what can be filled in first within that part of the panel.
const focusOn = (place) => {
  const part = (place && document.getElementById(place)) || [...inspector.querySelectorAll("[name]")].find((each) => each.name === place);
  const control = "input:not([type=hidden]), select, textarea, button";
  part?.closest("details")?.setAttribute("open", "");
  document.querySelector(`[aria-controls="${part?.closest("[role=tabpanel]")?.id}"]:not(.on)`)?.click();
  const field = part?.matches(control) ? part : part?.querySelector(control);
  (field || document.getElementById("inspector-name"))?.focus();
  field?.scrollIntoView({ block: "nearest" });
};

builder.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-path], [data-problem]");
  if (!chosen) return;
  event.preventDefault();
  flush();
  const problem = chosen.dataset.problem;
  choose(problem ?? chosen.dataset.path, { focus: event.detail === 0 || Boolean(problem), field: chosen.dataset.field });
});

// --- fields save themselves -------------------------------------------------------------------------------------------

let waiting = null; // the form with changes that are not sent yet
let timer = null;

// What an edit solves may be a problem of other steps: the server draws their cards again.
const withMarked = (values) => {
  const all = new FormData();
  for (const [name, value] of values) all.append(name, value);
  for (const card of builder.querySelectorAll(".da-flow [data-path]:has(.da-mark)")) all.append("-marked", card.dataset.path);
  return all;
};

export const flush = () => {
  clearTimeout(timer);
  const form = waiting;
  waiting = null;
  if (!form) return busy;
  let sent = null;
  const attempt = async () => {
    const { status, unread } = await post(`${steps}${form.dataset.autosave}/`, () => withMarked(sent = unsaved.values(form)));
    if (isOk(status) || unread.length) unsaved.stored(form, sent, unread);
    else if (status === 409) unsaved.drop(form); // the note has it, and the other's
    else unsaved.refused(form);
    const isAgain = (!status || status >= 500) && form.isConnected; // else it waits in `unsaved` for its panel
    if (isAgain && !waiting) { waiting = form; timer = setTimeout(flush, 3000); }
    if (isAgain) saved(fill(gettext("%(reason)s. Your changes are kept and sent again."), { reason: notSaved(status) }), true);
    else sayUnsaved();
  };
  return attempt();
};

builder.addEventListener("input", (event) => {
  const form = event.target.closest("[data-autosave]");
  if (!form) return;
  if (waiting && waiting !== form) flush();
  waiting = form;
  unsaved.note(form, event.target);
  saved(gettext("Saving"));
  clearTimeout(timer);
  timer = setTimeout(flush, 400);
});
window.addEventListener("beforeunload", (event) => {
  leaving = true;
  if (waiting || entering || unsaved.all().length) event.preventDefault();
  if (waiting || entering) sessionStorage.setItem(LEFT, location.search);
  flush();
  entering?.dispatchEvent(new Event("change", { bubbles: true }));
  setTimeout(() => { leaving = false; }, 1000); // whoever stays goes on
});

// The revision is read when the turn comes: an edit before it may have raised it.
const revIn = (id) => document.getElementById(id)?.value ?? "0";

const changeArm = async (input) => {
  await flush();
  const values = JSON.parse(input.dataset.doChange);
  return command(() => ({ ...values, rev: revIn(`rev-${values.key}`), [input.name]: input.value }), false);
};

// Make the change that met a conflict all the same; what the other one changed is drawn as well.
const again = async (form) => {
  const path = selected;
  if ((await send(form.dataset.again, new FormData(form))) && path === selected) choose(path);
};

// A condition goes as a whole, with what is to be done with its rows; the server says what it looks like then.
const sendCondition = async (form, act = "") => {
  unsent = null;
  conditionsWaiting += 1;
  await flush();
  const done = await send(form.dataset.condition, () => {
    conditionsWaiting -= 1;
    const values = new FormData(form);
    values.set("rev", revIn(form.dataset.revIn));
    if (act) values.set("act", act);
    return values;
  });
  if (!done || !act) return done;
  const empty = [...form.querySelectorAll("input[name$='.field']")].filter((field) => !field.value);
  (empty.at(-1) ?? form.querySelector("[data-act-condition^='add:']"))?.focus();
  return done;
};

builder.addEventListener("focusout", (event) => {
  if (!unsent || event.target !== unsent) return;
  entering = unsent;
  sendEntered();
});
builder.addEventListener("input", (event) => {
  if (!event.isTrusted || !event.target.closest("[data-condition], [data-do-change]")) return;
  entering = event.target;
  saved(gettext("Not saved yet"));
  clearTimeout(pausing);
  if (entering.matches("[name$='value'], [data-do-change]")) pausing = setTimeout(sendEntered, 400);
});
// A value and a name are sent while somebody types them; what a row is about, when it was chosen.
const early = new Map(); // by the field's id, what was stored of it before it was left
const sendEntered = async () => {
  clearTimeout(pausing);
  const field = entering;
  entering = null;
  if (!field?.isConnected) return;
  const { id, value } = field;
  const done = field.matches("[data-do-change]") ? changeArm(field) : sendCondition(field.form);
  if (await done) early.set(id, value);
  else early.delete(id);
};
builder.addEventListener("change", (event) => {
  const field = event.target;
  if (field.closest("[data-condition], [data-do-change]")) {
    if (!entering && early.get(field.id) === field.value) return;
    entering = field;
    sendEntered();
  } else if (event.target.closest("[data-autosave]") && event.target.matches("select, [type=checkbox]")) flush();
});
builder.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.hasAttribute("action")) return; // a file
  event.preventDefault();
  if (form.matches("[data-autosave]")) flush();
  if (form.matches("[data-again]")) again(form);
});

// --- commands ---------------------------------------------------------------------------------------------------------

const parts = (query) => Object.fromEntries(new URLSearchParams(query));

// What the palette inserts there is a command again.
const openPalette = (at) => builder.dispatchEvent(new CustomEvent("automate:insert", { detail: at }));

export const after = (card) => {
  const at = card?.dataset.insert ? parts(card.dataset.insert) : { parent: "", slot: "", index: -1 };
  return { ...at, index: Number(at.index) + 1 };
};

export const move = (card, by) => {
  const at = parts(card.dataset.insert);
  const index = Number(at.index) + by;
  if (index >= 0) command({ do: "move", key: card.dataset.key, ...at, index });
};

export const copy = (card) => send(builder.dataset.copyTo, { key: card.dataset.key });

builder.addEventListener("click", (event) => {
  const insert = event.target.closest("button[data-insert]");
  const now = event.target.closest("[data-do-now]");
  const inCondition = event.target.closest("[data-act-condition]");
  if (insert) openPalette(parts(insert.dataset.insert));
  else if (now) command(JSON.parse(now.dataset.doNow), false);
  else if (inCondition) sendCondition(inCondition.form, inCondition.dataset.actCondition);
  else if (event.target.closest("[data-fold-all]")) foldAll();
  else if (event.target.closest("[data-dismiss]")) document.getElementById("conflict").replaceChildren();
  else if (event.target.closest("[data-close-panel]")) closePanel();
  else if (event.target.closest("#problem-count") && isSheet()) { event.preventDefault(); nextProblem(); }
});

// --- keys -------------------------------------------------------------------------------------------------------------

const nextProblem = () => {
  const found = [...document.querySelectorAll("#problems [data-problem]")];
  const at = found.findIndex((each) => each.dataset.problem === selected && each.classList.contains("here"));
  const next = found[(at + 1) % found.length];
  for (const each of found) each.classList.toggle("here", each === next);
  next?.click();
};

const onCard = {
  "+": (card) => openPalette(after(card)),
  a: (card) => openPalette(after(card)),
  Delete: (card) => command({ do: "delete", key: card.dataset.key }),
  e: (card) => command({ do: "disable", key: card.dataset.key, disabled: !card.classList.contains("turned-off"), rev: card.dataset.rev }),
  o: toggle,
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  const control = event.ctrlKey || event.metaKey;
  const card = focused();
  if (event.key === "F8") { event.preventDefault(); nextProblem(); return; }
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && document.activeElement?.closest("#inspector")) { isSheet() ? closePanel() : cardOf(selected)?.focus(); return; }
  if (typing) return;
  const empty = event.target.closest(".da-flow .da-empty > [role=treeitem]");
  if (empty && ["+", "a", "A"].includes(event.key) && !control) { event.preventDefault(); empty.click(); return; }
  if (control && event.key.toLowerCase() === "z") {
    event.preventDefault();
    document.getElementById(event.shiftKey ? "redo" : "undo").click();
    return;
  }
  if (!card) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (control && card.dataset.key && ["d", "c"].includes(key)) {
    if (key === "c" && String(getSelection())) return;
    event.preventDefault();
    if (key === "d") command({ do: "duplicate", key: card.dataset.key });
    else copy(card);
  } else if (control && key === "v") {
    event.preventDefault();
    command({ do: "paste", ...after(card) });
  } else if (event.altKey && card.dataset.key && ["ArrowUp", "ArrowDown"].includes(event.key)) {
    event.preventDefault();
    move(card, event.key === "ArrowUp" ? -1 : 1);
  } else if (event.key === "O") {
    event.preventDefault();
    foldAll();
  } else if (!control && !event.altKey && onCard[key] && (card.dataset.key || key === "+" || key === "a")) {
    event.preventDefault();
    onCard[key](card);
  }
});

// Of more than sixty steps, what stands deep is folded up at first.
const all = builder.querySelectorAll(".da-flow [data-key]");
if (all.length > 60) for (const card of all) if (Number(card.getAttribute("aria-level")) >= 2 && armsOf(card)) folded.add(card.dataset.path);

window.addEventListener("load", () => requestAnimationFrame(() => cardOf(selected)?.scrollIntoView({ block: "nearest", inline: "nearest" })));
mark();
unsaved.restore(inspector);

// This page may have been drawn before what the one before it sent while it was left.
if (sessionStorage.getItem(LEFT) === location.search) setTimeout(() => { if (!waiting && !entering && !inspector.contains(document.activeElement)) choose(selected); }, 1000);
sessionStorage.removeItem(LEFT);
