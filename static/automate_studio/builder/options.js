/* Choosers: a list below a field, loaded when it is opened, filtered by what is typed; and the connection of a step, tried
   and made in place. */
import { gettext } from "../shared/i18n.js";
import { listbox } from "../shared/listbox.js";
import { command, flush, selected } from "./commands.js";
import { request, serverError } from "./request.js";

const builder = document.getElementById("builder");
const inspector = document.getElementById("inspector");
const list = document.getElementById("options");

// --- the list ---------------------------------------------------------------------------------------------------------

let input = null; // whose list is open
let loading = null; // what brings the options of the open list
let known = new Map(); // what was loaded, until another field changes

const place = () => {
  const box = (input.closest(".da-input") ?? input).getBoundingClientRect();
  const below = window.innerHeight - box.bottom;
  Object.assign(list.style, { left: `${box.left}px`, width: `${Math.max(box.width, 240)}px`, maxHeight: `${Math.max(120, Math.min(280, Math.max(below, box.top) - 12))}px` });
  Object.assign(list.style, below > 200 || below > box.top ? { top: `${box.bottom + 4}px`, bottom: "auto" } : { top: "auto", bottom: `${window.innerHeight - box.top + 4}px` });
};

const close = () => {
  if (!input) return;
  choices.detach();
  input = loading = null;
  list.hidden = true;
};

// Of names that the page knows the best come first, as the data picker ranks them: by their own name, single values
// before what holds others, the closest and shortest name.
const rank = (option, words) => {
  const name = option.dataset.value;
  const said = `${option.textContent} ${name}`.toLowerCase();
  if (!words.every((word) => said.includes(word))) return 0;
  if (!input.dataset.optionsFrom) return 1;
  const own = name.split(".").at(-1).toLowerCase();
  const isHolder = choices.options().some((other) => other.dataset.value.startsWith(`${name}.`));
  const isNamed = words.some((word) => own.includes(word));
  const near = words.includes(own) ? 0 : words.some((word) => own.startsWith(word)) ? 1 : words.some((word) => own.split(/[-_ ]/).some((part) => part.startsWith(word))) ? 2 : 3;
  return 1 / [!isNamed, isHolder, near, own.length, name.split(".").length].reduce((sum, part) => sum * 1000 + Number(part), 0);
};

const open = (field, { again = false, typed = false } = {}) => {
  if (input !== field) close();
  input = field;
  list.hidden = false;
  place();
  const key = `${selected} ${field.dataset.options}`;
  const here = document.getElementById(field.dataset.optionsFrom); // of what the page knows nothing is asked
  const before = typed ? null : field.value;
  if (here) show(here.innerHTML, before);
  else if (!again && known.has(key)) show(known.get(key), before);
  else {
    list.innerHTML = `<p role="status">${gettext("Loading")}</p>`;
    const mine = load(field.dataset.options, key).then((html) => { if (loading === mine) show(html, before); });
    loading = mine;
    choices.attach(field, mine);
  }
};

const load = async (name, key) => {
  await flush();
  let html = "";
  try {
    const answer = await request(`${builder.dataset.options}${selected}/`, { field: name });
    html = answer.ok ? await answer.text() : "";
    if (answer.ok && !html.includes("data-options-again")) known.set(key, html);
  } catch {
    // said below
  }
  return html || `<p class="error" role="alert">${gettext("The server cannot be reached.")}</p><button type="button" class="da-btn tiny" data-options-again>${gettext("Retry")}</button>`;
};

// What is typed narrows the options, also what was typed while they were loaded; a value that was there before does not.
const show = (html, before) => {
  loading = null;
  list.innerHTML = html;
  choices.attach(input);
  place();
  if (input.value !== before) choices.narrow(input.value);
  else choices.point(choices.options().find((option) => option.dataset.value === input.value));
};

const choose = (option) => {
  const field = input;
  field.value = option.dataset.value;
  close();
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
};

// Of names that the page knows, a part will do; elsewhere what is typed stays.
const takesFirst = (field) => field.dataset.optionsFrom && field.value && choices.options().every((option) => option.dataset.value !== field.value);

const choices = listbox(list, { choose, close, rank, takesFirst });

list.addEventListener("click", (event) => { if (event.target.closest("[data-options-again]")) open(input, { again: true }); });

inspector.addEventListener("click", (event) => {
  const button = event.target.closest("[data-options-open]");
  const field = button ? button.parentElement.querySelector("input[data-options]") : event.target.closest("input[data-options]");
  if (!field) return;
  if (field === input && button) return close();
  if (button) field.focus();
  if (field !== input) open(field);
});

inspector.addEventListener("input", (event) => {
  if (event.target !== input && event.isTrusted && event.target.matches("input[data-options]")) open(event.target, { typed: true });
  if (!event.target.matches?.("input[data-options]") || event.target.name?.match(/model|repository/)) known = new Map();
});

// A row that was just added asks what it is about.
inspector.addEventListener("focusin", (event) => { if (event.target.matches("input[data-options-from]") && !event.target.value) open(event.target); });
inspector.addEventListener("focusout", (event) => { if (event.target === input) close(); });
inspector.addEventListener("scroll", close, true);
window.addEventListener("resize", close);

inspector.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" || event.defaultPrevented || !event.target.matches("input[data-options]")) return;
  event.preventDefault();
  open(event.target);
});

// --- the connection ---------------------------------------------------------------------------------------------------

const dialog = document.getElementById("connection");
const url = () => `${builder.dataset.connection}${selected}/`;

const test = async (button) => {
  const said = document.getElementById("connection-said");
  button.setAttribute("aria-busy", "true");
  said.textContent = gettext("Testing with one real request, for up to 15 s.");
  await flush();
  try {
    const answer = await request(url(), { act: "test" });
    if (answer.ok) said.innerHTML = await answer.text();
    else said.textContent = answer.status === 404 ? gettext("Choose a connection that you can use.") : serverError(answer.status);
  } catch {
    said.textContent = gettext("The server cannot be reached.");
  }
  button.removeAttribute("aria-busy");
};

const create = async () => {
  await flush();
  const answer = await request(url());
  dialog.querySelector("#connection-form").outerHTML = answer.ok ? await answer.text() : `<div id="connection-form"><p class="da-help error">${gettext("You need the permission to add connections. Ask an administrator.")}</p><footer class="row"><button type="button" class="da-btn" command="close" commandfor="connection">${gettext("Close")}</button></footer></div>`;
  dialog.showModal();
  dialog.querySelector("input:not([type=hidden])")?.focus();
};

dialog.addEventListener("submit", async (event) => {
  event.preventDefault();
  event.stopPropagation();
  const form = event.target;
  const button = form.querySelector("[type=submit]");
  button.setAttribute("aria-busy", "true");
  let problem = gettext("The server cannot be reached.");
  try {
    const answer = await request(url(), new FormData(form));
    problem = answer.ok || answer.status === 422 ? "" : serverError(answer.status);
    if (!problem) dialog.querySelector("#connection-form").outerHTML = await answer.text();
  } catch {
    // said below
  }
  if (problem) {
    button.removeAttribute("aria-busy");
    form.querySelector("footer").insertAdjacentHTML("beforebegin", '<p class="da-help error" role="alert"></p>');
    form.querySelector("footer").previousElementSibling.textContent = problem;
    return;
  }
  const made = dialog.querySelector("[data-connection-made]");
  if (!made) return void dialog.querySelector("[role=alert]")?.closest(".da-field")?.querySelector("input, select, textarea")?.focus();
  dialog.close();
  const key = made.dataset.step;
  await command({ do: "edit", key, rev: document.getElementById(`rev-${key}`).value, set: JSON.stringify({ connection: made.dataset.connectionMade }) }, false);
  document.getElementById("field-connection")?.focus();
});

inspector.addEventListener("click", (event) => {
  const button = event.target.closest("[data-connection-test], [data-connection-new]");
  if (button) (button.matches("[data-connection-test]") ? test(button) : create());
});
