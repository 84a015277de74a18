/* Declared connectors: the text of a draft in an editor. */
import "../shared/object-forms.js";
import { open } from "../builder/code.js";

for (const field of document.querySelectorAll(".da-yaml textarea:not([readonly])")) open(field);

// What was typed in one form is not lost by leaving the page, nor by sending another one.
const edited = new Set();
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[method=post]:not([hx-post])");
  if (form) edited.add(form);
});
document.addEventListener("submit", (event) => edited.delete(event.target));
window.addEventListener("beforeunload", (event) => {
  if (edited.size) event.preventDefault();
});
