/* Tests in the builder: starts them, looks until they have ended, and shows what came of them beside the form. */
import { fill, gettext } from "../shared/i18n.js";
import { choose, flush } from "./commands.js";
import { makeReachable } from "../shared/roving.js";
import { request, serverError } from "./request.js";
import * as unsaved from "./unsaved.js";

const builder = document.getElementById("builder");
const inspector = document.getElementById("inspector");
const addresses = document.getElementById("test-whole").dataset;
const WHOLE = "~test";
const known = new Map(); // the last result of each step: shown at once, until the newer one is there
const kept = {}; // what was chosen in the form, from one step to the next
let startWhenShown = false;
let looking = null;

const pane = () => inspector.querySelector("[data-test-key]");
const key = () => pane()?.dataset.testKey ?? null;
const result = () => document.getElementById("test-result");

const ask = async (url, values) => {
  const answer = await request(url, values);
  const html = await answer.text();
  if (answer.ok || [403, 422].includes(answer.status)) show(html);
  if (!html.includes('id="test-result"')) say(serverError(answer.status));
  return answer;
};

const say = (text) => {
  const note = document.createElement("p");
  note.className = "da-hint";
  note.setAttribute("role", "alert");
  note.textContent = text;
  result()?.replaceChildren(note);
};

const isDecision = (name) => name?.startsWith("decision:");
const isTypedIn = (node) => node === document.activeElement && isDecision(node.name);

// Open parts stay open, and what somebody types stays as it is.
const morphing = {
  morphStyle: "outerHTML",
  callbacks: {
    beforeAttributeUpdated: (name, node) => !(name === "open" && node.localName === "details"),
    beforeNodeMorphed: (node) => !isTypedIn(node) && (!["test-data", "mock-output"].includes(node.id) || (node.id === "mock-output" && node.value === node.defaultValue)),
  },
};

const show = (html, { isFresh = true } = {}) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  const part = template.content.getElementById("test-result");
  if (!part) return;
  known.set(part.dataset.testShown, html);
  if (isFresh) drawBadges(JSON.parse(part.querySelector("#test-badges").textContent));
  if (key() !== part.dataset.testShown) return;
  if (result().dataset.testPoll && !part.dataset.testPoll) document.dispatchEvent(new Event("automate:tested")); // there are new samples
  Idiomorph.morph(result(), part, morphing);
  htmx.process(result());
  makeReachable();
  restore();
  document.getElementById("confirm-title")?.focus();
  look();
};

const look = () => {
  clearTimeout(looking);
  const run = result()?.dataset.testPoll;
  const button = document.getElementById("test-start");
  button?.toggleAttribute("aria-busy", Boolean(run));
  if (run) looking = setTimeout(() => fetchResult(run).catch(() => { say(gettext("The server cannot be reached. Retrying.")); looking = setTimeout(look, 2000); }), Number(result().dataset.testEvery));
};

const fetchResult = (run = "") => ask(`${addresses.to}?${new URLSearchParams({ step: key(), ...(run && { run }) })}`);

// The cards' badges, and what screen readers say of them.
const drawBadges = (badges) => {
  for (const card of builder.querySelectorAll(".da-flow [data-key]")) {
    const [kind, icon, text] = badges[card.dataset.key] ?? [];
    const present = card.querySelector(".da-badge");
    if (!kind || present?.textContent.trim() === text) continue;
    const badge = document.createElement("span");
    badge.className = "da-badge";
    badge.dataset.test = kind;
    const mark = document.createElement("i");
    mark.className = "icon icon-tiny";
    mark.dataset.icon = icon;
    mark.setAttribute("aria-hidden", "true");
    badge.append(mark, text);
    const label = card.getAttribute("aria-label");
    card.setAttribute("aria-label", present ? label.replace(present.textContent.trim(), text) : `${label}, ${text}`);
    present ? present.replaceWith(badge) : card.querySelector(".words").append(badge);
  }
};

// --- the form ---------------------------------------------------------------------------------------------------------

// What really does something is chosen anew for each step.
const remember = (field) => {
  if (field.type === "radio" ? field.value !== "real" : ["scope", "event", "payload"].includes(field.name) || isDecision(field.name)) kept[field.name] = field.value;
};

const restore = () => {
  const form = document.getElementById("test-form");
  for (const [name, value] of Object.entries(kept)) {
    const field = form?.elements[name];
    if (field && field.type !== "hidden") field.value = value;
    if (field?.type === "select-one" && field.selectedIndex < 0) field.selectedIndex = 0; // it is no choice any more
  }
};

const start = async () => {
  const form = document.getElementById("test-form");
  if (!form || result()?.dataset.testPoll) return;
  document.getElementById("test-start").setAttribute("aria-busy", "true");
  await flush(); // what was typed a moment ago is tested too
  const [left] = unsaved.all();
  if (left) { say(fill(gettext("Not tested: the changes in %(name)s are not saved. Fix or undo them first."), { name: left.name })); look(); return; }
  const values = new FormData(form);
  for (const name of Object.keys(kept).filter((name) => ["event", "payload"].includes(name) || isDecision(name))) if (!values.has(name) && kept[name]) values.set(name, kept[name]); // not drawn yet
  await ask(addresses.to, values).catch(() => say(gettext("The server cannot be reached.")));
  look();
};

const keep = (values) => {
  return ask(addresses.keepTo, { step: key(), ...values }).catch(() => say(gettext("The server cannot be reached.")));
};

builder.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.id === "test-form") start();
  else if (form.dataset.testForm === "mock") keep({ act: "mock", output: form.elements.output.value });
  else if (form.dataset.testForm === "confirm") ask(addresses.to, new FormData(form)).catch(() => say(gettext("The server cannot be reached.")));
});

builder.addEventListener("input", (event) => { if (event.target.form?.id === "test-form") remember(event.target); });

builder.addEventListener("click", (event) => {
  const past = event.target.closest("[data-test-run]");
  const act = event.target.closest("[data-test-keep]");
  if (past) fetchResult(past.dataset.testRun);
  else if (act) keep({ act: act.dataset.testKeep, ...(act.dataset.run && { run: act.dataset.run }) });
  else if (event.target.closest("[data-test-cancel]")) fetchResult().then(() => document.getElementById("test-start")?.focus());
  else if (event.target.closest("[data-test-real]")) {
    document.getElementById("test-form").elements.mode.value = "real"; // which asks before it starts
    start();
  } else if (event.target.closest("#test-whole")) choose(WHOLE, { focus: true });
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || document.querySelector("dialog[open]")) return;
  if (event.target.closest("[data-condition]")) return;
  event.preventDefault();
  if (pane() && (inspector.contains(event.target) || key() === "")) start();
  else {
    startWhenShown = true;
    choose(WHOLE);
  }
});

// --- a panel has come -------------------------------------------------------------------------------------------------

const shown = () => {
  clearTimeout(looking);
  if (!pane() || !result()?.hasAttribute("data-test-load")) return;
  restore();
  const before = known.get(key());
  if (before) show(before, { isFresh: false });
  else result().removeAttribute("data-test-load");
  const first = startWhenShown && key() === "";
  startWhenShown = false;
  if (first) start();
  else fetchResult().catch(() => say(gettext("The server cannot be reached.")));
};

// A step that was edited, or is again what was tested: what came of its test is told anew.
const edited = () => {
  const place = result();
  if (!place?.querySelector(".da-status") || place.dataset.testPoll || key() === "") return;
  const kind = builder.querySelector(`.da-flow [data-key="${CSS.escape(key())}"] .da-badge`)?.dataset.test;
  const isChanged = kind === "changed";
  if (!["changed", "tested", "described", "failed"].includes(kind) || place.dataset.testChanged === String(isChanged)) return;
  place.dataset.testChanged = isChanged; // asked for once
  fetchResult(place.querySelector("[data-test-run][aria-current]")?.dataset.testRun).catch(() => say(gettext("The server cannot be reached.")));
};
builder.addEventListener("automate:shown", edited);

new MutationObserver(shown).observe(inspector, { childList: true });
shown();
