/* Menus and small forms are popovers: the browser closes them by Escape or elsewhere, and gives the focus back. */
import { focusOn, itemsOf } from "./roving.js";

const enter = (menu) => focusOn(menu.querySelector("[aria-checked=true]") ?? itemsOf(menu)[0]);

// Opens a menu that no button belongs to, inside the window: below a place, or above it where `top` says where that is.
// At a pointer it stays under it, or letting the pointer go would be a click elsewhere.
export const openMenu = (menu, { left, bottom, top = null }) => {
  if (!menu.matches(":popover-open")) menu.showPopover();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const isAbove = top !== null && bottom + height > innerHeight - 8;
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(isAbove ? top - height : bottom, innerHeight - height - 8))}px`;
  enter(menu);
};

// A part that unfolds says that it is open by the same event, and takes no focus.
document.addEventListener("toggle", ({ target, newState }) => {
  if (newState !== "open" || !target.popover || target.contains(document.activeElement)) return;
  if (target.matches("[role=menu]")) enter(target);
  else target.querySelector("input:not([type=hidden]), select, textarea")?.focus(); // a form that is a popover
}, true);

// What was chosen closes it, except where the item itself says what came of it. A form is sent first: htmx forgets which
// of its buttons was pressed when the focus leaves it.
document.addEventListener("click", (event) => {
  const item = event.target.closest("[role^=menuitem]:not([data-copy])");
  if (item && !(item.form && item.type === "submit")) item.closest("[popover]").hidePopover();
});
document.addEventListener("submit", (event) => event.target.closest("[popover]")?.hidePopover());

document.addEventListener("keydown", (event) => {
  if (event.key === "Tab") event.target.closest("[role=menu]")?.hidePopover(); // it goes on from what opened the menu
});
