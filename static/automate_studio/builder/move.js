/* Moving cards: picked up with the keyboard or dragged, between the places that take them; and a card's menu. */
import { fill, gettext } from "../shared/i18n.js";
import { openMenu } from "../shared/menus.js";
import * as commands from "./commands.js";
import { openPalette } from "./palette.js";

const builder = document.getElementById("builder");
const canvas = builder.querySelector(".da-viewport");
const menu = document.getElementById("card-menu");
const FAR = 5; // pixels that a pointer goes before a press is a drag
const NEAR = 140; // pixels around a place in which it takes what is dropped
const EDGE = 48; // pixels along the canvas's edge in which it scrolls

const say = (text) => { document.getElementById("announce").textContent = text; };
const armsOf = (card) => document.getElementById(`arms-${card.id.slice("card-".length)}`);
const nameOf = (card) => card.querySelector(".name").textContent;
const listOf = (query) => query.replace(/&index=\d+$/, "");
const indexOf = (query) => Number(query.slice(query.lastIndexOf("=") + 1));

// Where a card can go: every connector with a button, but those inside it and the two around it.
const placesFor = (card) => {
  const own = card.dataset.insert;
  const next = `${listOf(own)}&index=${indexOf(own) + 1}`;
  return [...builder.querySelectorAll(".da-flow button[data-insert]")].filter((place) =>
    place.offsetParent && ![own, next].includes(place.dataset.insert) && !armsOf(card)?.contains(place));
};

const target = (card, place) => {
  const own = card.dataset.insert, to = place.dataset.insert;
  const inOwn = listOf(own) === listOf(to);
  const index = indexOf(to) - (inOwn && indexOf(own) < indexOf(to) ? 1 : 0);
  const total = [...builder.querySelectorAll("button[data-insert]")].filter((each) => listOf(each.dataset.insert) === listOf(to)).length - (inOwn ? 1 : 0);
  const inside = place.closest(".da-arm")?.dataset.inside;
  return { index, words: fill(inside ? gettext("%(number)s of %(total)s, %(place)s") : gettext("%(number)s of %(total)s"), { number: index + 1, total, place: inside }) };
};

const move = (card, place) => {
  const to = Object.fromEntries(new URLSearchParams(place.dataset.insert));
  commands.command({ do: "move", key: card.dataset.key, ...to, index: target(card, place).index });
};

const show = (places) => {
  builder.classList.toggle("da-moving", Boolean(places));
  for (const place of builder.querySelectorAll(".da-add.takes, .da-add.current")) place.classList.remove("takes", "current");
  for (const place of places ?? []) place.classList.add("takes");
};

const light = (place) => {
  builder.querySelector(".da-add.current")?.classList.remove("current");
  place?.classList.add("current");
};

// --- with the keyboard ------------------------------------------------------------------------------------------------

let picked = null; // {card, places, at}: at is the place's number, -1 until one is chosen

const pickUp = (card) => {
  if (!card?.dataset.key) return;
  const places = placesFor(card);
  if (!places.length) { say(fill(gettext("%(step)s cannot be moved: there is no other place"), { step: nameOf(card) })); return; }
  picked = { card, places, at: -1 };
  card.classList.add("drag");
  show(places);
  say(fill(gettext("Moving %(step)s. Use the arrow keys to choose a place, Space to drop, Escape to cancel"), { step: nameOf(card) }));
};

const letGo = () => {
  picked?.card.classList.remove("drag");
  picked = null;
  show(null);
};

const choose = (at) => {
  if (at < 0 || at >= picked.places.length) return;
  picked.at = at;
  const place = picked.places[at];
  light(place);
  place.scrollIntoView({ block: "nearest", inline: "nearest" });
  say(fill(gettext("Move %(step)s to %(place)s"), { step: nameOf(picked.card), place: target(picked.card, place).words }));
};

const step = (by) => {
  if (picked.at >= 0) { choose(picked.at + by); return; }
  const after = picked.places.findIndex((place) => picked.card.compareDocumentPosition(place) & Node.DOCUMENT_POSITION_FOLLOWING);
  const first = after < 0 ? picked.places.length : after;
  choose(by > 0 ? first : first - 1);
};

const beside = (by) => {
  let arm = (picked.at >= 0 ? picked.places[picked.at] : picked.card).closest(".da-arm");
  for (; arm; arm = arm.parentElement.closest(".da-arm")) {
    for (let next = arm; (next = by > 0 ? next.nextElementSibling : next.previousElementSibling);) {
      const at = picked.places.findIndex((place) => place.closest(".da-arm") === next);
      if (at >= 0) { choose(at); return; }
    }
  }
};

const drop = () => {
  const { card, places, at } = picked;
  letGo();
  if (at < 0) say(gettext("The step was not moved"));
  else move(card, places[at]);
};

const cancel = () => {
  const card = picked.card;
  letGo();
  card.focus();
  say(fill(gettext("%(step)s was not moved"), { step: nameOf(card) }));
};

const whilePicked = {
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  ArrowRight: () => beside(1),
  ArrowLeft: () => beside(-1),
  Home: () => choose(0),
  End: () => choose(picked.places.length - 1),
  " ": drop,
  Enter: drop,
  Escape: cancel,
};

// Before all others, so that arrows choose places while a card is picked up.
document.addEventListener("keydown", (event) => {
  if (picked) {
    if (!picked.card.isConnected || event.key === "Tab") { letGo(); return; }
    if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    whilePicked[event.key]?.();
    return;
  }
  const card = event.target.closest?.(".da-flow [data-key]");
  if (card && event.key === " " && !event.ctrlKey && !event.altKey && !event.metaKey) {
    event.preventDefault();
    pickUp(card);
  }
}, true);

// --- with a pointer ---------------------------------------------------------------------------------------------------

let drag = null; // {card, x, y, id, places, ghost, at}
let dragged = false; // the click that follows a drag chooses nothing

const nearest = (x, y) => {
  let best = null, least = NEAR;
  for (const place of drag.places) {
    const box = place.getBoundingClientRect();
    const far = Math.hypot(x - (box.left + box.right) / 2, y - (box.top + box.bottom) / 2);
    if (far < least) [best, least] = [place, far];
  }
  return best;
};

const lift = () => {
  drag.places = placesFor(drag.card);
  drag.ghost = document.createElement("div");
  drag.ghost.className = "da-ghost";
  drag.ghost.textContent = nameOf(drag.card);
  builder.append(drag.ghost);
  drag.card.classList.add("lifted");
  drag.card.setPointerCapture(drag.id); // also when it is let go outside the window
  show(drag.places);
};

const along = (x, y) => {
  drag.ghost.style.translate = `${x + 12}px ${y + 8}px`;
  drag.at = nearest(x, y);
  light(drag.at);
  const box = canvas.getBoundingClientRect();
  canvas.scrollBy(x < box.left + EDGE ? -12 : x > box.right - EDGE ? 12 : 0, y < box.top + EDGE ? -12 : y > box.bottom - EDGE ? 12 : 0);
};

const end = () => {
  drag?.ghost?.remove();
  drag?.card.classList.remove("lifted");
  drag = null;
  show(null);
};

builder.addEventListener("pointerdown", (event) => {
  dragged = false;
  const card = event.target.closest(".da-flow [data-key]");
  if (!card || event.button || (event.pointerType !== "mouse" && !event.target.closest("[data-grip]"))) return;
  drag = { card, x: event.clientX, y: event.clientY, id: event.pointerId, places: null, ghost: null, at: null };
});
document.addEventListener("pointermove", (event) => {
  if (!drag || event.pointerId !== drag.id) return;
  if (!drag.ghost && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > FAR) lift();
  if (drag.ghost) along(event.clientX, event.clientY);
});
document.addEventListener("pointerup", (event) => {
  if (!drag || event.pointerId !== drag.id) return;
  const { card, ghost, at } = drag;
  dragged = Boolean(ghost);
  setTimeout(() => { dragged = false; });
  end();
  if (at && card.isConnected) move(card, at);
});
document.addEventListener("pointercancel", end);
document.addEventListener("keydown", (event) => {
  if (drag?.ghost && event.key === "Escape") { event.stopImmediatePropagation(); dragged = true; end(); }
}, true);
builder.addEventListener("dragstart", (event) => { if (event.target.closest(".da-flow")) event.preventDefault(); });

// --- the menu ---------------------------------------------------------------------------------------------------------

let menuCard = null;

const openMenuOf = (card, left, bottom) => {
  menuCard = card;
  menu.replaceChildren(document.getElementById("card-menu-items").content.cloneNode(true));
  for (const item of menu.querySelectorAll("[data-holder]")) item.hidden = !armsOf(card);
  openMenu(menu, { left, bottom });
};

const doNow = (values) => commands.command({ key: menuCard.dataset.key, ...values });
const actions = {
  rename: () => commands.choose(menuCard.dataset.path, { focus: true, field: "name" }),
  after: () => openPalette(commands.after(menuCard)),
  duplicate: () => doNow({ do: "duplicate" }),
  copy: () => commands.copy(menuCard),
  paste: () => commands.command({ do: "paste", ...commands.after(menuCard) }),
  disable: () => doNow({ do: "disable", disabled: !menuCard.classList.contains("turned-off"), rev: menuCard.dataset.rev }),
  pick: () => {
    if (commands.isSheet()) commands.closePanel();
    menuCard.focus();
    pickUp(menuCard);
  },
  up: () => commands.move(menuCard, -1),
  down: () => commands.move(menuCard, 1),
  wrap: (item) => doNow({ do: "wrap", kind: item.dataset.kind }),
  unwrap: () => doNow({ do: "unwrap" }),
  fold: () => { commands.toggle(menuCard); menuCard.focus(); },
  delete: () => doNow({ do: "delete" }),
};

menu.addEventListener("click", (event) => {
  const item = event.target.closest("[data-menu]");
  if (!item) return;
  event.stopPropagation();
  menu.hidePopover();
  actions[item.dataset.menu](item);
});

builder.addEventListener("contextmenu", (event) => {
  const card = event.target.closest(".da-flow [data-key]");
  if (!card) return;
  event.preventDefault();
  const box = card.getBoundingClientRect();
  openMenuOf(card, event.clientX || box.left + 24, event.clientY || box.bottom);
});

builder.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-panel-menu]");
  const card = opener && commands.cardOf(commands.selected);
  if (!card) return;
  const box = opener.getBoundingClientRect();
  openMenuOf(card, box.right - 220, box.bottom + 4);
});

// The handle is dragged, or opens the menu; and what was a drag is no click.
builder.addEventListener("click", (event) => {
  const grip = event.target.closest("[data-grip]");
  if (!dragged && !grip) return;
  event.preventDefault();
  event.stopPropagation();
  if (dragged) { dragged = false; return; }
  const box = grip.getBoundingClientRect();
  openMenuOf(grip.closest("[data-key]"), box.left, box.bottom + 4);
}, true);
