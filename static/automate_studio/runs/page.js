/* The run list: choosing a time in the histogram, filters, and doing something to many runs. */
import { fill, gettext, ngettext } from "../shared/i18n.js";
import "../shared/picking.js";

// --- the histogram: drag, or arrow keys, Shift and Enter -------------------------------------------------------------
let chosen = null; // [first, last] of the bars, while a choice is made
let dragging = false;

const bars = (brush) => [...brush.querySelectorAll("g")];

const draw = (brush, text) => {
  const all = bars(brush), [from, to] = chosen ? [Math.min(...chosen), Math.max(...chosen)] : [0, -1];
  all.forEach((bar, at) => bar.classList.toggle("chosen", at >= from && at <= to));
  if (text) brush.querySelector("[data-brush-said]").textContent = text;
};

const told = (brush) => {
  const all = bars(brush), [from, to] = [Math.min(...chosen), Math.max(...chosen)];
  if (from === to) return all[from].dataset.said;
  const count = to - from + 1;
  const words = ngettext("%(count)s bar selected. First: %(first)s. Last: %(last)s.", "%(count)s bars selected. First: %(first)s. Last: %(last)s.", count);
  return fill(words, { count, first: all[from].dataset.said, last: all[to].dataset.said });
};

const apply = (brush) => {
  const all = bars(brush), form = brush.parentElement.querySelector("[data-brush-form]");
  form.elements.namedItem("from").value = all[Math.min(...chosen)].dataset.from;
  form.elements.namedItem("to").value = all[Math.max(...chosen)].dataset.to;
  chosen = null;
  form.requestSubmit();
};

const barAt = (brush, event) => {
  const box = brush.querySelector("svg").getBoundingClientRect(), all = bars(brush);
  return Math.min(all.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * all.length)));
};

document.addEventListener("pointerdown", (event) => {
  const brush = event.target.closest("[data-brush]");
  if (!brush || event.button) return;
  dragging = true;
  brush.setPointerCapture(event.pointerId);
  chosen = [barAt(brush, event), barAt(brush, event)];
  draw(brush);
});
document.addEventListener("pointermove", (event) => {
  const brush = dragging && event.target.closest("[data-brush]");
  if (!brush) return;
  chosen[1] = barAt(brush, event);
  draw(brush);
});
document.addEventListener("pointerup", (event) => {
  const brush = dragging && event.target.closest("[data-brush]");
  dragging = false;
  if (brush) apply(brush);
});
document.addEventListener("pointercancel", () => { dragging = false; chosen = null; });

document.addEventListener("keydown", (event) => {
  const brush = event.target.closest("[data-brush]");
  if (!brush || event.altKey || event.ctrlKey || event.metaKey) return;
  const last = bars(brush).length - 1;
  const to = { ArrowLeft: -1, ArrowRight: 1, Home: -last, End: last }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    const begin = ["ArrowRight", "Home"].includes(event.key) ? 0 : last;
    const at = chosen ? Math.min(last, Math.max(0, chosen[1] + to)) : begin;
    chosen = [event.shiftKey && chosen ? chosen[0] : at, at];
    draw(brush, told(brush));
  } else if (event.key === "Enter" && chosen) apply(brush);
  else if (event.key === "Escape" && chosen) {
    event.stopPropagation();
    chosen = null;
    draw(brush, gettext("Selection cleared"));
  }
});

// --- filters ---------------------------------------------------------------------------------------------------------
// Fields that say nothing stay out of the address.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "get" || !event.detail.elt.closest("#runs")) return;
  const said = event.detail.formData;
  for (const name of [...said.keys()]) {
    const values = said.getAll(name).filter((value) => value !== "");
    said.delete(name);
    if (name === "term" && values.length < 2 && !values[0]?.includes(":")) continue;
    for (const value of values) said.append(name, value);
  }
  if (said.get("from") || said.get("to")) said.delete("since");
});

// --- many at once ----------------------------------------------------------------------------------------------------
const every = () => document.querySelector("[data-bulk] [name=all]");

const fit = (form) => {
  const chosen = [...form.querySelectorAll("input[name=id]:checked")];
  for (const button of form.querySelectorAll("[data-for]")) {
    button.disabled = !every()?.checked && !chosen.some((box) => box.dataset.run.split(" ").includes(button.dataset.for));
  }
};
document.addEventListener("da:picked", (event) => fit(event.target));
document.addEventListener("change", (event) => {
  if (event.target === every()) fit(event.target.form);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-bulk] [name=do]");
  if (button) button.form.elements.namedItem("start").value = button.dataset.start ?? "failed";
  event.target.closest("[data-dismiss]")?.closest(".da-note").remove();
});

// Once it is under way nothing is chosen any more.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.closest("#bulk-ask")) document.querySelector("[data-unpick]")?.click();
});
