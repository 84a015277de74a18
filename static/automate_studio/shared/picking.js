/* Choosing rows of a list, and the bar that acts on them: a form with data-bulk around both. Lists that tell of
   themselves anew every few seconds keep what was chosen (data-keep). */
import { gettext } from "./i18n.js";

const boxes = () => [...document.querySelectorAll("[data-bulk] input[name=id]")];
const kept = new Set();

// The bar shows how many are chosen; what a page needs beside that it does at "da:picked".
const show = () => {
  const form = document.querySelector("[data-bulk]");
  if (!form) {
    document.querySelector(".da-root").classList.remove("has-bulk");
    return;
  }
  const all = boxes().filter((box) => !box.disabled), chosen = all.filter((box) => box.checked);
  const whole = form.querySelector(".da-pick-all");
  whole.checked = chosen.length > 0 && chosen.length === all.length;
  whole.indeterminate = chosen.length > 0 && chosen.length < all.length;
  whole.disabled = all.length === 0;
  form.querySelector(".da-bulk").hidden = chosen.length === 0;
  document.querySelector(".da-root").classList.toggle("has-bulk", chosen.length > 0);
  for (const box of all) box.closest("tr").classList.toggle("current", box.checked);
  for (const place of form.querySelectorAll("[data-count]")) place.textContent = chosen.length;
  for (const place of form.querySelectorAll("[data-count-of]")) {
    place.textContent = `${chosen.length} ${place.dataset.countOf}${chosen.length === 1 ? "" : "s"}`;
  }
  kept.clear();
  for (const box of chosen) kept.add(box.value);
  form.dispatchEvent(new CustomEvent("da:picked", { bubbles: true, detail: chosen }));
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
    for (const each of all.slice(Math.min(from, to), Math.max(from, to) + 1)) each.checked = box.checked && !each.disabled;
  }
  last = box;
  show();
});

document.addEventListener("change", (event) => {
  if (!event.target.matches(".da-pick-all")) return;
  for (const box of boxes()) box.checked = event.target.checked && !box.disabled;
  show();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open], :popover-open")) pickNone();
});

document.addEventListener("htmx:afterSettle", () => {
  const form = document.querySelector("[data-bulk]");
  if (form?.hasAttribute("data-keep")) for (const box of boxes()) box.checked = kept.has(box.value);
  show();
});
// An answer that is not shown, such as a refusal, is said.
document.addEventListener("htmx:responseError", (event) => {
  if ([409, 422].includes(event.detail.xhr.status)) return;
  document.querySelector("dialog[open]")?.close();
  const said = Object.assign(document.createElement("div"), { className: "da-toast long" });
  said.textContent = gettext("The action failed. You may lack the permission, or the object was deleted. Reload the page.");
  document.getElementById("toast").replaceChildren(said);
});
document.addEventListener("DOMContentLoaded", show);
// Back and forward ask for the whole page.
htmx.config.refreshOnHistoryMiss = true;
