/* The workflow list: what fits the rows that are chosen (picking.js), and what came of it. */
(() => {
  "use strict";
  // Only what fits at least one of them can be pressed.
  document.addEventListener("da:picked", (event) => {
    for (const button of event.target.querySelectorAll("[data-for]")) {
      button.disabled = !event.detail.some((box) => box.dataset.wf === button.dataset.for);
    }
  });

  // What was pressed is gone with the old list: the focus goes on to Undo, or to the list itself.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt.id !== "list" || document.activeElement !== document.body) return;
    (document.querySelector("#said button") ?? document.getElementById("list")).focus();
  });

  // An answer that is not shown, such as a refusal, is said.
  document.addEventListener("htmx:responseError", (event) => {
    if ([409, 422].includes(event.detail.xhr.status)) return;
    document.querySelector("dialog[open]")?.close();
    const said = Object.assign(document.createElement("div"), { className: "da-toast long" });
    said.textContent = "That was not done: you may not do it, or it is gone. Reload the page and look again.";
    document.getElementById("toast").replaceChildren(said);
  });
})();
