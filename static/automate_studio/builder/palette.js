/* The palette: what can be inserted at a place, searched by name first, then by description. */
import { command } from "./commands.js";
import { listenToOfferKeys } from "./offer-keys.js";
import { request } from "./request.js";

const builder = document.getElementById("builder");
const palette = document.getElementById("palette");
let place = null; // where it inserts
let opener = null; // what has the focus again when nothing is inserted
let homes = []; // the offers, each with its group, in the order of the page

export const openPalette = async (at) => {
  place = at;
  opener = document.activeElement;
  const answer = await request(`${builder.dataset.palette}?${new URLSearchParams(at)}`);
  if (!answer.ok) return;
  palette.innerHTML = await answer.text();
  homes = [...palette.querySelectorAll(".da-offers:not(.ahead) > .da-offer")].map((offer) => [offer, offer.parentElement]);
  palette.showModal();
  palette.querySelector("input").focus();
};

// A name that begins so comes first, then one with such a word, such a part, and last what only its description says.
const rank = (offer, sought) => {
  const { name, more } = offer.dataset;
  if (!sought.every((word) => name.includes(word) || more.includes(word))) return 0;
  if (!sought.every((word) => name.includes(word))) return 1;
  if (name.startsWith(sought[0])) return 4;
  return sought.every((word) => name.split(/[^\p{L}\p{N}]+/u).some((part) => part.startsWith(word))) ? 3 : 2;
};

const search = (text) => {
  const sought = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = document.getElementById("palette-found");
  document.getElementById("palette-paste")?.toggleAttribute("hidden", Boolean(sought.length));
  for (const [offer, group] of homes) group.append(offer);
  for (const group of palette.querySelectorAll(".da-offers")) group.hidden = Boolean(sought.length) !== (group === found);
  if (!sought.length) { document.getElementById("palette-none").hidden = true; return; }
  const ranked = homes.map(([offer]) => [rank(offer, sought), offer]).filter(([score]) => score);
  ranked.sort(([first], [second]) => second - first);
  found.replaceChildren(...ranked.map(([, offer]) => offer));
  document.getElementById("palette-none").hidden = ranked.length > 0;
};

palette.addEventListener("click", (event) => {
  const offer = event.target.closest("[data-insert-now]");
  if (event.target === palette) palette.close();
  if (!offer) return;
  opener = null;
  palette.close();
  command({ ...place, ...JSON.parse(offer.dataset.insertNow) });
});

builder.addEventListener("automate:insert", (event) => openPalette(event.detail));
palette.addEventListener("close", () => opener?.focus());
palette.addEventListener("input", (event) => search(event.target.value));

listenToOfferKeys(palette);
