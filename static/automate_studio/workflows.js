/* The workflow list: selecting rows, and the bar that acts on them. */
(() => {
  "use strict";
  const boxes = () => [...document.querySelectorAll("[data-bulk] input[name=id]")];

  // The bar shows how many are chosen, and only what fits at least one of them can be pressed.
  const show = () => {
    const form = document.querySelector("[data-bulk]");
    if (!form) return;
    const all = boxes(), chosen = all.filter((box) => box.checked);
    const whole = form.querySelector(".da-pick-all");
    whole.checked = chosen.length > 0 && chosen.length === all.length;
    whole.indeterminate = chosen.length > 0 && chosen.length < all.length;
    whole.disabled = all.length === 0;
    form.querySelector(".da-bulk").hidden = chosen.length === 0;
    document.querySelector(".da-root").classList.toggle("has-bulk", chosen.length > 0);
    for (const box of all) box.closest("tr").classList.toggle("on", box.checked);
    for (const place of form.querySelectorAll("[data-count]")) place.textContent = chosen.length;
    for (const place of form.querySelectorAll("[data-count-of]")) {
      place.textContent = `${chosen.length} ${place.dataset.countOf}${chosen.length === 1 ? "" : "s"}`;
    }
    for (const button of form.querySelectorAll("[data-for]")) {
      button.disabled = !chosen.some((box) => box.dataset.wf === button.dataset.for);
    }
  };

  const pickNone = () => {
    for (const box of boxes()) box.checked = false;
    show();
  };

  let last = null; // Shift and a click choose all from here to there

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-unpick]")) {
      pickNone();
      document.querySelector(".da-pick-all")?.focus();
    }
    const box = event.target.closest("[data-bulk] input[name=id]");
    if (!box) return;
    const all = boxes(), from = all.indexOf(last), to = all.indexOf(box);
    if (event.shiftKey && from >= 0) {
      for (const each of all.slice(Math.min(from, to), Math.max(from, to) + 1)) each.checked = box.checked;
    }
    last = box;
    show();
  });

  document.addEventListener("change", (event) => {
    if (!event.target.matches(".da-pick-all")) return;
    for (const box of boxes()) box.checked = event.target.checked;
    show();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) pickNone();
  });

  // What was pressed is gone with the old list: the focus goes on to Undo, or to the list itself.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt.id !== "list") return;
    show();
    if (document.activeElement !== document.body) return;
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
  document.addEventListener("DOMContentLoaded", show);
  // Back and forward ask for the whole page.
  htmx.config.refreshOnHistoryMiss = true;
})();
