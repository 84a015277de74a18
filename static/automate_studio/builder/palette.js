/* The palette: what can be inserted at a place, in the order of the server's search. */
import { listbox } from "../shared/listbox.js";
import { choose, command } from "./commands.js";
import { request } from "./request.js";

const builder = document.getElementById("builder");
const palette = document.getElementById("palette");
const TRIGGERS = "~trigger"; // the path of their panel
const TYPING = 80; // milliseconds without a key before the server is asked
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
  listbox(palette.querySelector("[role=listbox]"), { choose: insert, close: () => palette.close(), ask }).attach(field);
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

// How well offers fit, as the server says; nothing for a text that was changed meanwhile.
let typing = null;
const ask = async (text) => {
  typing?.abort();
  typing = new AbortController();
  const { signal } = typing;
  try {
    await new Promise((pause) => setTimeout(pause, TYPING));
    if (signal.aborted) return null;
    const answer = await request(`${builder.dataset.palette}?${new URLSearchParams({ ...place, q: text })}`, null, { signal });
    if (!answer.ok) return null;
    const { found } = await answer.json();
    const scores = new Map(found.map((each, index) => [each, found.length - index]));
    return (option) => scores.get(option.dataset.insertNow) ?? 0;
  } catch {
    return null;
  }
};

const insert = async (offer) => {
  opener = null;
  palette.close();
  const asked = JSON.parse(offer.dataset.insertNow);
  document.dispatchEvent(new Event("automate:inserting"));
  if (asked.do !== "add_trigger") await command({ ...place, ...asked });
  else if (await command(asked)) choose(TRIGGERS, { focus: true });
};

builder.addEventListener("automate:insert", (event) => openPalette(event.detail));
palette.addEventListener("close", () => opener?.focus());
