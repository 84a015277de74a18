/* The palette: what can be inserted at a place, searched by name first, then by description. */
import { listbox, rankByName } from "../shared/listbox.js";
import { choose, command } from "./commands.js";
import { request } from "./request.js";

const builder = document.getElementById("builder");
const palette = document.getElementById("palette");
const TRIGGERS = "~trigger"; // the path of their panel
let place = null; // where it inserts
let opener = null; // what has the focus again when nothing is inserted

export const openPalette = async (at) => {
  place = at;
  opener = document.activeElement;
  const keys = keepKeys();
  const answer = await request(`${builder.dataset.palette}?${new URLSearchParams(at)}`).finally(keys.stop);
  if (!answer.ok) return;
  palette.innerHTML = await answer.text();
  palette.showModal();
  const field = palette.querySelector("input");
  field.focus();
  listbox(palette.querySelector("[role=listbox]"), { choose: insert, close: () => palette.close(), rank }).attach(field);
  if (!keys.typed.length) return;
  field.value = keys.typed.join("");
  field.dispatchEvent(new Event("input", { bubbles: true }));
};

// Keys that are typed before the palette is there belong to its search, and are no shortcuts.
const keepKeys = () => {
  const typed = [];
  const keep = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Backspace") typed.pop();
    else if (event.key.length === 1) typed.push(event.key);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  document.addEventListener("keydown", keep, true);
  return { typed, stop: () => document.removeEventListener("keydown", keep, true) };
};

// Steps that are suggested at this place come before others whose names fit as well.
const rank = (option, words) => {
  const fits = rankByName(option, words), suggested = palette.querySelectorAll("[data-unsearched] [data-insert-now]");
  const isSuggested = [...suggested].some((each) => each.dataset.insertNow === option.dataset.insertNow);
  return fits >= 3 && isSuggested ? fits + 1.5 : fits;
};

const insert = async (offer) => {
  opener = null;
  palette.close();
  const asked = JSON.parse(offer.dataset.insertNow);
  if (asked.do !== "add_trigger") await command({ ...place, ...asked });
  else if (await command(asked)) choose(TRIGGERS, { focus: true });
};

builder.addEventListener("automate:insert", (event) => openPalette(event.detail));
palette.addEventListener("close", () => opener?.focus());
