/* Keys of widgets with one tab stop: arrows, Home and End lead through the items of a menu, a list of tabs or a tree. */

const ITEMS = "[role=tab], [role=treeitem], [role^=menuitem]";
const WIDGETS = "[role=tablist], [role=tree], [role=menu]";

export const itemsOf = (widget) => [...widget.querySelectorAll(ITEMS)].filter((item) => item.checkVisibility());

// The focus goes to an item, which is the tab stop from then on.
export const focusOn = (item) => {
  if (!item) return;
  for (const other of item.closest(WIDGETS).querySelectorAll(ITEMS)) other.tabIndex = other === item ? 0 : -1;
  item.focus();
  item.scrollIntoView({ block: "nearest", inline: "nearest" });
};

document.addEventListener("keydown", (event) => {
  const item = event.target.closest(ITEMS);
  if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
  const widget = item.closest(WIDGETS);
  const [back, on] = widget.matches("[role=tablist]") ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
  const items = itemsOf(widget);
  const at = items.indexOf(item);
  const to = { [back]: at - 1, [on]: at + 1, Home: 0, End: items.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  if (!widget.matches("[role=tree]")) focusOn(items.at(to % items.length)); // round and round
  else if (items[to]) focusOn(items[to]);
});

// Left and right in a tree whose items open what they hold: into it, and out again.
export const walk = (key, item, open) => {
  const isOpen = item.getAttribute("aria-expanded") === "true";
  const around = item.parentElement.closest("[role=group], [role=tree]");
  if (key === "ArrowLeft" && isOpen) open(item, false);
  else if (key === "ArrowLeft") focusOn(around.matches("[role=group]") ? around.previousElementSibling : null);
  else if (isOpen) focusOn(item.nextElementSibling?.querySelector("[role=treeitem]"));
  else if (item.hasAttribute("aria-expanded")) open(item, true);
};

// A tree in which nothing is chosen is entered at its first item.
export const makeReachable = () => {
  for (const tree of document.querySelectorAll("[role=tree]")) {
    if (!tree.querySelector("[role=treeitem][tabindex='0']")) tree.querySelector("[role=treeitem]")?.setAttribute("tabindex", "0");
  }
};
document.addEventListener("DOMContentLoaded", makeReachable);
document.addEventListener("htmx:afterSettle", makeReachable);
