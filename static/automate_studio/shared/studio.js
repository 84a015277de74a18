/* What all our pages share: copying, tabs, zoom, keys of the tree. Everything else is htmx. */

// Answers that carry a form or the other person's change are shown; other errors are not swapped in.
htmx.config.responseHandling.unshift({ code: "(409|422)", swap: true });
htmx.config.selfRequestsOnly = true;
htmx.config.historyCacheSize = 0;
htmx.config.scrollIntoViewOnBoost = false; // a filter changes what is below it, and stays where it is

const say = (button, text) => {
  button.classList.add("said");
  button.title = text;
  setTimeout(() => { button.classList.remove("said"); button.removeAttribute("title"); }, 1500);
};

// What a button copies: its own text, what the server gives for it, or the text that is shown beside it.
const copied = async (button) => {
  const { copy, copyFrom } = button.dataset;
  if (!copyFrom) return copy ?? button.closest(".da-tab")?.querySelector(".da-json")?.textContent ?? "";
  const answer = await fetch(copyFrom);
  if (!answer.ok) throw new Error(answer.status === 413 ? "Too large to copy: download it" : "It could not be read");
  return answer.text();
};

const copy = async (button) => {
  let text;
  try {
    text = await copied(button);
  } catch (error) {
    say(button, error.message);
    return;
  }
  try {
    await navigator.clipboard.writeText(text);
    say(button, "Copied");
  } catch {
    say(button, "The browser does not allow copying here");
  }
};

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

// Zoom is the canvas's, so that a new tree drawn inside keeps it. At first the whole width fits; in the builder only
// as far as cards can be read and dragged. What is only looked at fits again when the window changes, until a person
// has chosen a zoom.
const AROUND = ".da-canvas, .da-canvas-card";

const zoomTo = (canvas, factor) => {
  const zoom = Math.min(1.5, Math.max(0.5, Math.round(factor * 20) / 20));
  canvas.style.setProperty("--zoom", zoom);
  const shown = canvas.parentElement.querySelector(".da-zoom .zoom-level");
  if (shown) shown.textContent = `${Math.round(zoom * 100)}%`;
};

const zoomed = (canvas) => Number(canvas.style.getPropertyValue("--zoom") || 1);

const isEdited = (canvas) => canvas.closest(".da-build") !== null;

const fit = (canvas, least = 0.5) => {
  const factor = () => canvas.clientWidth / canvas.querySelector(".da-flow").scrollWidth;
  canvas.style.setProperty("--zoom", 1);
  canvas.classList.remove("narrow");
  canvas.classList.toggle("narrow", !isEdited(canvas) && factor() < 0.75); // narrower cards are larger ones in the end
  zoomTo(canvas, Math.min(1, Math.max(least, Math.floor(factor() * 20) / 20)));
  canvas.scrollLeft = (canvas.scrollWidth - canvas.clientWidth) / 2;
};

const zoom = (button) => {
  const canvas = button.closest(AROUND).querySelector(".da-viewport");
  const step = Number(button.dataset.zoom);
  canvas.toggleAttribute("data-zoomed", step !== 0);
  if (step) zoomTo(canvas, zoomed(canvas) + step * 0.1);
  else fit(canvas);
};

window.addEventListener("load", () => document.querySelectorAll(".da-viewport").forEach((canvas) => fit(canvas, isEdited(canvas) ? 0.85 : 0.5)));

// Dialogs: the browser traps the focus and gives it back. An address may name one that is to be open.
window.addEventListener("load", () => {
  const named = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (named && named.matches("dialog")) named.showModal();
});
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
  else event.target.closest("[data-close]")?.closest("dialog").close();
});

// A double click means it once: what htmx or a page's own script sends has its own ways.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
  if (Date.now() - Number(form.dataset.sent ?? 0) < 1500) event.preventDefault();
  form.dataset.sent = Date.now();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-json], [data-copy-from], [data-zoom], [data-sidebar], [role=tab][aria-controls]");
  if (!button) return;
  if (button.matches("[data-copy], [data-copy-json], [data-copy-from]")) copy(button);
  else if (button.matches("[data-zoom]")) zoom(button);
  else if (button.matches("[data-sidebar]")) Alpine.$data(document.documentElement).sidebarToggle();
  else openTab(button);
});

// Tabs by arrow keys, as the tab pattern asks.
document.addEventListener("keydown", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (!tab || !["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
  event.preventDefault();
  const tabs = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]")];
  const to = { ArrowRight: tabs.indexOf(tab) + 1, ArrowLeft: tabs.indexOf(tab) + tabs.length - 1, Home: 0, End: tabs.length - 1 };
  const next = tabs[to[event.key] % tabs.length];
  openTab(next);
  next.focus();
});

// The tree is one tab stop; arrows go through its cards in reading order.
document.addEventListener("keydown", (event) => {
  const card = event.target.closest("[role=treeitem]");
  if (!card || event.altKey || event.ctrlKey || event.metaKey) return;
  const cards = [...card.closest("[role=tree]").querySelectorAll("[role=treeitem]")].filter((each) => each.offsetParent);
  const to = { ArrowDown: 1, ArrowUp: -1, Home: -cards.length, End: cards.length }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const next = cards[Math.min(cards.length - 1, Math.max(0, cards.indexOf(card) + to))];
  for (const each of cards) each.tabIndex = each === next ? 0 : -1;
  next.focus();
});

// Left and right: the same step in the way beside, or beside what holds it.
const CARDS = ":scope > [role=treeitem], :scope > .da-empty > [role=treeitem]"; // an empty way is entered, too
const beside = (card, by) => {
  for (let arm = card.closest(".da-arm"); arm; arm = arm.parentElement.closest(".da-arm")) {
    const own = [...arm.querySelectorAll(CARDS)];
    const at = Math.max(0, own.findIndex((each) => each === card || each.nextElementSibling?.nextElementSibling?.contains(card)));
    for (let next = arm; (next = by > 0 ? next.nextElementSibling : next.previousElementSibling);) {
      const found = [...next.querySelectorAll(CARDS)];
      if (found.length) return found[Math.min(at, found.length - 1)];
    }
  }
  return null;
};

document.addEventListener("keydown", (event) => {
  const card = event.target.closest("[role=treeitem]");
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!card || !by || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const next = beside(card, by);
  if (!next?.offsetParent) return;
  for (const each of card.closest("[role=tree]").querySelectorAll("[role=treeitem]")) each.tabIndex = each === next ? 0 : -1;
  next.focus();
});

// Zoom by keys while the canvas or a card has the focus, and by the wheel over it.
document.addEventListener("keydown", (event) => {
  const canvas = event.target.closest(AROUND);
  const step = { "+": "1", "=": "1", "-": "-1", 0: "0" }[event.key];
  if (!canvas || step === undefined || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  zoom(canvas.querySelector(`[data-zoom="${step}"]`));
});
for (const canvas of document.querySelectorAll(".da-viewport")) {
  let width = canvas.clientWidth; // what is in the middle stays there when the canvas gets wider or narrower
  new ResizeObserver(() => {
    if (canvas.clientWidth === width) return;
    canvas.scrollLeft += (width - canvas.clientWidth) / 2;
    width = canvas.clientWidth;
    if (width && !isEdited(canvas) && !canvas.hasAttribute("data-zoomed")) fit(canvas);
  }).observe(canvas);
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    canvas.toggleAttribute("data-zoomed", true);
    zoomTo(canvas, zoomed(canvas) + (event.deltaY < 0 ? 0.1 : -0.1));
  }, { passive: false });
}

// A canvas without a selected card is entered at its first one.
const reachable = () => {
  for (const tree of document.querySelectorAll("[role=tree]")) {
    if (!tree.querySelector("[role=treeitem][tabindex='0']")) tree.querySelector("[role=treeitem]")?.setAttribute("tabindex", "0");
  }
};
document.addEventListener("DOMContentLoaded", () => {
  reachable();
  if (new URLSearchParams(location.search).has("tab")) document.querySelectorAll("[role=tab].current").forEach(remember);
});
document.addEventListener("htmx:afterSettle", () => {
  reachable();
  for (const chosen of chosenTabs.values()) {
    const tab = document.querySelector(`${chosen}:not(.current)`);
    if (tab) openTab(tab);
  }
});
