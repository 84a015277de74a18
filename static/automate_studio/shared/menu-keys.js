/* The keys of a menu: arrows go round its items, Home and End to the first and the last. */

// An arrow moves the focus; other keys are left alone.
export const moveInMenu = (event, menu) => {
  const items = [...menu.querySelectorAll("[role^=menuitem]:not([hidden])")];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  items.at(to % items.length).focus();
};
