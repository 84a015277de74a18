/* The switch between a value and an expression in its place. What is there goes along, in both directions, but for a
   number into an expression: data that is inserted would stand before it. Switching alone stores nothing. */
import { choose, flush, selected } from "./commands.js";

const inspector = document.getElementById("inspector");

const EXPRESSION = /\{\{|\{%/;
const isLiteral = (text) => Boolean(text) && !EXPRESSION.test(text);
const isRows = (part) => Boolean(part.querySelector(".da-rowset"));
const controlIn = (part) => part.querySelector("input:not([type=hidden]), select, textarea");

// Empty where there is no text that says the same: of rows, and of a box that was neither ticked nor cleared.
const textIn = (part) => {
  const control = controlIn(part);
  if (isRows(part)) return "";
  if (control.type !== "checkbox") return control.value;
  return control.indeterminate ? "" : String(control.checked);
};

// An expression is no value: in its place the value waits to be chosen.
const put = (part, text) => {
  const control = controlIn(part);
  if (control.type !== "checkbox") { control.value = text; return; }
  control.checked = text === "true";
  control.indeterminate = !["true", "false"].includes(text);
};

export const switchTo = async (button) => {
  const isPressed = () => button.getAttribute("aria-pressed") === "true";
  if (isPressed()) return;
  const field = button.closest(".da-field");
  const control = field.querySelector(".da-control");
  const template = field.querySelector(":scope > template[data-other]");
  const isNumber = controlIn(control)?.inputMode === "decimal"; // a list without rows has no control
  const goesAlong = () => isLiteral(text) && !isNumber;
  let text = null;
  while (text !== textIn(control)) { // what is typed meanwhile goes along too
    text = textIn(control);
    if (!goesAlong() || isRows(template.content)) await flush(); // the other control does not post what was typed in this one
    if (isPressed() || !field.isConnected) return;
  }
  if (isLiteral(text) && isRows(template.content)) { choose(selected, { focus: true, field: controlIn(control).id }); return; } // drawn as it was read
  if (goesAlong() || isNumber || (text && button.dataset.mode === "value" && !isRows(template.content))) put(template.content, goesAlong() ? text : "");
  const shown = [...control.childNodes];
  control.replaceChildren(template.content);
  template.content.replaceChildren(...shown);
  for (const each of button.parentElement.children) each.setAttribute("aria-pressed", each === button);
  control.dispatchEvent(new CustomEvent("automate:drawn", { bubbles: true }));
  if (!text && (isRows(control) ? control.querySelector("[data-row]") : textIn(control))) control.dispatchEvent(new Event("input", { bubbles: true }));
  controlIn(control)?.focus();
};

// A type alone is no value yet.
inspector.addEventListener("input", (event) => {
  const typed = event.target.matches("select") && event.target.closest(".da-typed");
  if (typed && !typed.querySelector("input").value.trim()) event.stopPropagation();
});
