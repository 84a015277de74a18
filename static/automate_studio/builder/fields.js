/* The fields of a panel: rows, values of names of one's own, what stands only with a choice, and marks at what is wrong.
   All that is typed is sent by commands.js; new controls are announced by the event "automate:drawn". */
import { fill, gettext } from "../shared/i18n.js";
import { markCells } from "./cell-messages.js";
import { command, flush } from "./commands.js";
import { switchTo } from "./value-modes.js";

const inspector = document.getElementById("inspector");

const changed = (element) => element.dispatchEvent(new Event("input", { bubbles: true }));
const drawn = (element) => element.dispatchEvent(new CustomEvent("automate:drawn", { bubbles: true }));

// --- rows -------------------------------------------------------------------------------------------------------------

const first = (row) => row?.querySelector("input, textarea, select");

const addRow = (button) => {
  const set = button.closest(".da-rowset");
  const row = set.querySelector(":scope > template").content.firstElementChild.cloneNode(true);
  set.querySelector(".da-rowset-body").append(row);
  drawn(row);
  first(row).focus();
};

const removeRow = (button) => {
  const set = button.closest(".da-rowset");
  const row = button.closest("[data-row]");
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  changed(set);
  (first(next) ?? set.querySelector("[data-row-add]")).focus();
};

const moveRow = (button) => {
  const row = button.closest("[data-row]");
  const up = button.dataset.rowMove === "-1";
  const other = up ? row.previousElementSibling : row.nextElementSibling;
  if (!other) return;
  other[up ? "before" : "after"](row);
  changed(row);
  button.focus();
};

// --- values of names of one's own -------------------------------------------------------------------------------------

const revOf = (key) => document.getElementById(`rev-${key}`).value;
const keyIn = (element) => element.closest("form").querySelector("input[name=rev]").id.slice("rev-".length);

const say = (input, text) => { input.setCustomValidity(text); input.reportValidity(); };

const addValue = async (box) => {
  const [input, type] = box.querySelectorAll("input, select");
  const name = input.value.trim();
  const taken = inspector.querySelector(`[data-field="${CSS.escape(`inputs.${name}`)}"]`);
  if (!name || taken) return say(input, name ? gettext("A value with this name already exists.") : gettext("Enter a name for the value."));
  const key = box.dataset.addValue;
  await flush();
  await command({ do: "edit", key, rev: revOf(key), set: JSON.stringify({ [`inputs.${name}`]: JSON.parse(type.value) }) }, false);
  first(inspector.querySelector(`[data-field="${CSS.escape(`inputs.${name}`)}"] .da-control`))?.focus();
};

const removeValue = async (button) => {
  const key = keyIn(button);
  await flush();
  await command({ do: "edit", key, rev: revOf(key), unset: JSON.stringify([`inputs.${button.dataset.removeValue}`]) }, false);
  inspector.querySelector("[data-add-value] input")?.focus();
};

const renameValue = (button) => {
  const label = button.closest(".da-label").querySelector("label");
  const name = button.dataset.renameValue;
  const input = Object.assign(document.createElement("input"), { type: "text", value: name, maxLength: 200, className: "da-renaming" });
  input.setAttribute("aria-label", fill(gettext("New name for %(name)s"), { name }));
  label.hidden = button.hidden = true;
  label.after(input);
  input.select();
  let ended = false; // taking it out blurs it
  const done = async (keep) => {
    if (ended) return;
    ended = true;
    const to = input.value.trim();
    input.remove();
    label.hidden = button.hidden = false;
    if (!keep || !to || to === name) return button.focus();
    const key = keyIn(button);
    await flush();
    await command({ do: "rename_input", key, name, to, rev: revOf(key) }, false);
    inspector.querySelector(`[data-rename-value="${CSS.escape(to)}"]`)?.focus();
  };
  input.addEventListener("input", (event) => event.stopPropagation());
  input.addEventListener("blur", () => done(true));
  input.addEventListener("keydown", (event) => {
    if (!["Enter", "Escape"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    done(event.key === "Enter");
  });
  input.focus();
};

inspector.addEventListener("click", (event) => {
  const on = (selector) => event.target.closest(selector);
  if (on("[data-mode]")) switchTo(on("[data-mode]"));
  else if (on("[data-row-add]")) addRow(on("[data-row-add]"));
  else if (on("[data-row-remove]")) removeRow(on("[data-row-remove]"));
  else if (on("[data-row-move]")) moveRow(on("[data-row-move]"));
  else if (on("[data-add-value] button")) addValue(on("[data-add-value]"));
  else if (on("[data-remove-value]")) removeValue(on("[data-remove-value]"));
  else if (on("[data-rename-value]")) renameValue(on("[data-rename-value]"));
});

inspector.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  const box = event.target.closest("[data-add-value]");
  const row = event.target.matches("input") && event.target.closest(".da-rowset-row");
  if (event.defaultPrevented || event.target.getAttribute("aria-expanded") === "true" || !(box || row)) return;
  event.preventDefault(); // where a form would be sent
  if (box) addValue(box);
  else if (!row.matches(".da-record") && !row.nextElementSibling) addRow(row.closest(".da-rowset").querySelector("[data-row-add]"));
});

inspector.addEventListener("input", (event) => {
  const box = event.target.closest("[data-add-value]");
  if (!box) return;
  event.stopPropagation(); // nothing to save yet
  event.target.setCustomValidity?.("");
});

// --- numbers ----------------------------------------------------------------------------------------------------------

// What is typed replaces the number that is there, by keyboard and by mouse; a second click places the caret.
inspector.addEventListener("focusin", (event) => {
  const field = event.target;
  if (!field.matches("[inputmode=decimal], [inputmode=numeric], [type=number]")) return;
  field.select();
  const again = () => { if (field.selectionStart === field.selectionEnd) field.select(); };
  field.addEventListener("mouseup", again, { once: true });
  field.addEventListener("input", () => field.removeEventListener("mouseup", again), { once: true });
});

// --- what stands only with a choice, and what is wrong ----------------------------------------------------------------

const LIMITED = ["text", "long_text", "number", "choices"];
const CONDITIONS = [
  ["[name='on_error.value']", "[name='on_error.then']", ["value"]],
  // the columns of a form's fields
  [".da-cell [name$='::choices']", "[name$='::kind']", ["choice", "choices"]],
  [".da-cell [name$='::minimum']", "[name$='::kind']", LIMITED],
  [".da-cell [name$='::maximum']", "[name$='::kind']", [...LIMITED, "file"]],
  [".da-cell [name$='::accept']", "[name$='::kind']", ["file"]],
];

const conditional = () => {
  for (const [controls, by, values] of CONDITIONS) {
    for (const control of inspector.querySelectorAll(controls)) {
      const around = control.closest(".da-cell") ?? control.closest(".da-field");
      const chooser = (control.closest("[data-row]") ?? inspector).querySelector(by);
      around.hidden = !values.includes(chooser?.value);
    }
  }
};

const markFaults = () => {
  markCells();
  for (const why of inspector.querySelectorAll(".da-help[id$='-why']")) {
    const wrong = why.classList.contains("error");
    const doubtful = why.classList.contains("warn");
    const field = why.closest(".da-field");
    for (const control of field?.querySelectorAll(`[aria-describedby~="${CSS.escape(why.id)}"]`) ?? []) {
      control.toggleAttribute("aria-invalid", wrong);
      if (wrong) control.setAttribute("aria-invalid", "true");
      control.closest(".da-input")?.classList.toggle("error", wrong);
      control.closest(".da-input")?.classList.toggle("warn", doubtful);
    }
  }
  for (const tab of inspector.querySelectorAll("[role=tab]")) {
    const inTab = document.getElementById(tab.getAttribute("aria-controls"));
    for (const level of ["error", "warn"]) tab.classList.toggle(`has-${level}`, Boolean(inTab?.querySelector(`.da-help.${level}`)));
  }
  for (const more of inspector.querySelectorAll(".da-more")) if (more.querySelector(".da-help:is(.error, .warn)")) more.open = true;
};

// --- the tab stays when another step comes; a new one is set up first -------------------------------------------------

let tab = "";
document.addEventListener("automate:inserting", () => { tab = ""; });
inspector.addEventListener("click", (event) => { tab = event.target.closest("[role=tab][id]")?.id ?? tab; });

let last = null;
const look = () => {
  const form = inspector.querySelector("form[data-autosave]");
  if (form && form !== last) {
    last = form;
    inspector.querySelector(`#${tab || "tab-setup"}:not(.current)`)?.click();
    conditional();
  }
  markFaults();
};
inspector.addEventListener("change", conditional);
inspector.addEventListener("automate:drawn", conditional);
new MutationObserver(look).observe(inspector, { childList: true, subtree: true, attributeFilter: ["class", "data-cells"] });
look();
