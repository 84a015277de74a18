/* JSON trees: opened, walked by keys and copied from. What is not on the page yet is asked for, a level at a time. */
import { gettext } from "./i18n.js";
import { focusOn, walk } from "./roving.js";

const rowOf = (element) => element.closest(".da-json-tree [role=treeitem]");
const treeOf = (row) => row.closest(".da-json-tree");
const groupOf = (row) => (row.hasAttribute("aria-expanded") ? row.nextElementSibling : null);
const holder = (row) => row.parentElement.closest(".da-json-tree [role=group]")?.previousElementSibling ?? null;

// The path of a row: names and numbers, from what a search found or from the outside in.
const pathOf = (row) => {
  if (!row) return [];
  if (row.dataset.at) return JSON.parse(row.dataset.at);
  const above = pathOf(holder(row));
  return row.dataset.part ? [...above, JSON.parse(row.dataset.part)] : above;
};

const suffixOf = (row) => {
  if (!row) return "";
  if (row.dataset.expression) return row.dataset.expression;
  const above = suffixOf(holder(row));
  if (!row.dataset.part) return above;
  const part = JSON.parse(row.dataset.part);
  if (typeof part === "number") return `${above}[${part}]`;
  return row.hasAttribute("data-quoted") ? `${above}[${row.dataset.part}]` : `${above}.${part}`;
};

const address = (row, values = {}) => {
  const query = new URLSearchParams({ at: JSON.stringify(pathOf(row)), ...values });
  return `${treeOf(row).dataset.url}&${query}`;
};

// --- the row that is chosen -----------------------------------------------------------------------------------------

const choose = (row) => {
  const tree = treeOf(row);
  tree.querySelector(".current")?.classList.remove("current");
  row.classList.add("current");
  const bar = tree.nextElementSibling;
  if (!bar?.matches(".da-json-path")) return;
  bar.hidden = row.matches(".json-more");
  const path = `${tree.dataset.root}${suffixOf(row)}`.replace(/^\./, "");
  const shown = bar.querySelector("code");
  shown.textContent = path || gettext("All data");
  shown.title = shown.textContent;
  bar.querySelector("[data-path-copy]").dataset.copy = tree.dataset.root ? `{{ ${path} }}` : path;
  const value = bar.querySelector("[data-value-copy]");
  const text = row.querySelector(".json-value:not(:has(.json-cut)) > .string, .json-value:not(:has(.json-cut)) > .number");
  if (text && !row.dataset.at) {
    delete value.dataset.copyFrom;
    value.dataset.copy = text.matches(".string") ? JSON.parse(text.textContent) : text.textContent;
  } else {
    value.dataset.copyFrom = address(row, { copy: 1 });
  }
};

// --- opening --------------------------------------------------------------------------------------------------------

const open = async (row, on) => {
  row.setAttribute("aria-expanded", on);
  const group = groupOf(row);
  if (!on || !group.hasAttribute("data-load")) return;
  group.removeAttribute("data-load");
  await htmx.ajax("GET", address(row), { target: group, swap: "innerHTML" });
};

const more = async (row) => {
  const before = row.previousElementSibling;
  const hadFocus = row === document.activeElement;
  const above = holder(row);
  const query = new URLSearchParams({ at: JSON.stringify(pathOf(above)), start: row.dataset.start });
  await htmx.ajax("GET", `${treeOf(row).dataset.url}&${query}`, { target: row, swap: "outerHTML" });
  const first = before?.nextElementSibling;
  if (hadFocus && first) focusOn(first.matches("[role=treeitem]") ? first : first.querySelector("[role=treeitem]"));
};

const act = (row) => {
  if (row.matches(".json-more")) more(row);
  else if (row.hasAttribute("aria-expanded")) open(row, row.getAttribute("aria-expanded") !== "true");
  else if (row.querySelector(".json-cut")) htmx.ajax("GET", address(row, { whole: 1 }), { target: row.querySelector(".json-value"), swap: "innerHTML" });
};

document.addEventListener("click", (event) => {
  const row = rowOf(event.target);
  if (!row || !getSelection().isCollapsed) return;
  focusOn(row);
  act(row);
});

document.addEventListener("focusin", (event) => {
  const row = rowOf(event.target);
  if (row) choose(row);
});

document.addEventListener("keydown", (event) => {
  const row = rowOf(event.target);
  if (!row || event.altKey) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "c" && getSelection().isCollapsed) {
    treeOf(row).nextElementSibling?.querySelector("[data-value-copy]")?.click();
    return;
  }
  if (event.ctrlKey || event.metaKey) return;
  if (["Enter", " "].includes(event.key)) act(row);
  else if (["ArrowLeft", "ArrowRight"].includes(event.key)) walk(event.key, row, open);
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);
