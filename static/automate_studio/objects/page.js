/* Lists and forms of connections, secrets, webhooks and budgets. */
import "../shared/object-forms.js";

// A form that could be tested is complete: what was wrong when it was last saved is not any more.
document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
  const form = target.id === "tried" && !target.querySelector("[role=alert]") && target.closest("form");
  if (!form) return;
  for (const each of form.querySelectorAll("[role=alert]")) each.remove();
  for (const each of form.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
});
