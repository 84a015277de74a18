/* Tabs: one panel is shown of those that the tabs of a list control, and it stays open in what is drawn anew. */
import "./roving.js";

const TAB = "[role=tab][aria-controls]";
const chosenTabs = new Map(); // stay open when another step, or the same one anew, comes into the panel

const remember = (tab) => {
  const name = tab.dataset.tab ? `[data-tab="${tab.dataset.tab}"]` : "";
  const list = tab.closest("[role=tablist]").getAttribute("aria-label");
  chosenTabs.set(list, `[role=tab][aria-controls="${tab.getAttribute("aria-controls")}"]${name}`);
};

const openTab = (tab) => {
  remember(tab);
  const list = tab.closest("[role=tablist]");
  for (const other of list.querySelectorAll("[role=tab]")) {
    const on = other === tab;
    other.classList.toggle("current", on);
    other.setAttribute("aria-selected", on);
    other.tabIndex = on ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = true;
  }
  const panel = document.getElementById(tab.getAttribute("aria-controls")); // two tabs may show parts of one panel
  panel.hidden = false;
  panel.dataset.shows = tab.dataset.tab ?? "";
  tab.dispatchEvent(new CustomEvent("da:tab", { bubbles: true }));
};

// What arrows or a click lead to is opened.
for (const event of ["focusin", "click"]) {
  document.addEventListener(event, ({ target }) => {
    const tab = target.closest?.(TAB);
    if (tab && !tab.matches(".current")) openTab(tab);
  });
}

document.addEventListener("DOMContentLoaded", () => {
  if (new URLSearchParams(location.search).has("tab")) document.querySelectorAll("[role=tab].current").forEach(remember);
});
document.addEventListener("htmx:afterSettle", () => {
  for (const chosen of chosenTabs.values()) {
    const tab = document.querySelector(`${chosen}:not(.current)`);
    if (tab) openTab(tab);
  }
});
