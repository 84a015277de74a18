/* Where the focus goes after an edit: to what is to be filled in next, and never to nothing. */

const inspector = document.getElementById("inspector");
const CONTROL = "input:not([type=hidden]), select, textarea, button, [contenteditable=true]";

const canTake = (each) => each.offsetParent && !each.disabled && each.tabIndex >= 0 && !each.closest("[inert], [aria-hidden=true]");
const firstIn = (place) => [...(place?.querySelectorAll(CONTROL) ?? [])].find(canTake);

// The first required field of a new step, or the name of its first value where it takes any.
const toFill = () => {
  const field = inspector.querySelector("[data-missing]")?.closest(".da-field, .da-condition");
  return firstIn(field?.querySelector(".da-control") ?? field) ?? firstIn(inspector.querySelector("[data-add-value]"));
};

const last = (selector) => [...inspector.querySelectorAll(selector)].at(-1);
const armName = ({ arm }) => document.getElementById(`arm-${arm}-name`);

// What an edit leads to, by its name; nothing for those that lead to the card of their step.
const NEXT = {
  add: toFill,
  add_trigger: () => firstIn(last(".da-trigger")?.querySelector("form")),
  remove_trigger: () => firstIn(inspector.querySelector(".da-panel-more")),
  add_arm: () => last(".da-panel-arm")?.querySelector("input"),
  remove_arm: () => last("#arms > [data-do-now]"),
  move_arm: armName,
  undo: () => null,
  redo: () => null,
};

export const isLost = () => {
  const at = document.activeElement;
  return !at || at === document.body || Boolean(at.disabled || at.closest("[inert]"));
};

// The first of these that takes the focus where it was lost: what had it is gone, or turned off.
export const rescue = (card) => {
  const places = [card, document.getElementById("inspector-name"), document.querySelector(".da-flow [role=treeitem]")];
  for (const place of places) if (isLost()) place?.focus({ preventScroll: true });
};

export const afterEdit = (values, card, toCard) => {
  const next = NEXT[values.do]?.(values);
  if (next) next.focus();
  else if (toCard || NEXT[values.do] === toFill) card?.focus();
  next?.scrollIntoView({ block: "nearest" });
  rescue(card);
};

// Enter goes on in the row of a condition: from its field to the operator, and to the value.
inspector.addEventListener("keydown", (event) => {
  const row = event.target.closest(".da-condition-row");
  if (event.key !== "Enter" || event.isComposing || !row || !event.target.matches("input, select")) return;
  const controls = [...row.querySelectorAll("input:not([type=hidden]), select, textarea")];
  const next = controls[controls.indexOf(event.target) + 1];
  if (!next) return;
  event.preventDefault();
  next.focus();
});

// A draft that nothing starts yet asks what starts it.
document.addEventListener("DOMContentLoaded", () => {
  const isNew = inspector.querySelector("[data-inspected='~trigger']") && !inspector.querySelector(".da-trigger");
  if (isNew && isLost()) firstIn(inspector.querySelector(".da-panel-more"))?.focus();
});
