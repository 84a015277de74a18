/* The workflow list: what fits the rows that are chosen (picking.js), and what came of it. */
import "../shared/picking.js";

// Only what fits at least one of them can be pressed.
document.addEventListener("da:picked", (event) => {
  for (const button of event.target.querySelectorAll("[data-for]")) {
    button.disabled = !event.detail.some((box) => box.dataset.wf === button.dataset.for);
  }
});

// What was pressed is gone with the old list: the focus goes on to Undo, or to the list itself.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.elt.id !== "list" || document.activeElement !== document.body) return;
  (document.querySelector("#said form button") ?? document.getElementById("list")).focus();
});
