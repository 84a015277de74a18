/* The functions and filters of expressions: searched by name, then by what they give, and inserted at the caret. */
import { listenToOfferKeys } from "./offer-keys.js";
import { request } from "./request.js";
import { EXPRESSION } from "./tokens.js";

const builder = document.getElementById("builder");
const dialog = document.getElementById("functions");
const sought = dialog.querySelector("input");
let target = null; // {editor, at}: where it goes
let loading = null; // the list, once it was asked for

export const openFunctions = async (editor) => {
  target = { editor, at: editor.caret.start };
  sought.value = "";
  dialog.showModal();
  sought.focus();
  loading ??= load();
  await loading;
  search(sought.value); // what was typed meanwhile
};

const load = async () => {
  const answer = await request(builder.dataset.functions);
  dialog.querySelector("[data-functions-list]").innerHTML = answer.ok ? await answer.text() : "";
  if (!answer.ok) loading = null; // the next opening tries again
};

const offers = () => [...dialog.querySelectorAll(".da-offer")];

const search = (text) => {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (offer) => words.every((word) => offer.dataset.function.includes(word) || offer.dataset.more.includes(word));
  for (const offer of offers()) {
    offer.hidden = !fits(offer);
    offer.style.order = words.length && words.every((word) => offer.dataset.function.includes(word)) ? -1 : 0;
  }
  for (const group of dialog.querySelectorAll(".da-offers")) group.hidden = !group.querySelector(".da-offer:not([hidden])");
  dialog.querySelector("[data-functions-none]").hidden = offers().some((offer) => !offer.hidden);
};

// Applied to the expression that the caret is in or just behind; where there is none, its example comes.
const insert = ({ applied, around, example }) => {
  const { editor, at } = target;
  dialog.close();
  const raw = editor.raw;
  const found = [...raw.matchAll(EXPRESSION)].find((each) => each.index < at && at <= each.index + each[0].length);
  const inner = found?.[0].slice(2, -2).trim();
  const text = !found || !(applied || around) ? example : around ? `{{ ${around.replace("$", () => inner)} }}` : `{{ ${inner} | ${applied} }}`;
  const [start, end] = found && text !== example ? [found.index, found.index + found[0].length] : [at, at];
  editor.focus();
  editor.replace(start, end, text);
  editor.caret = { start: start + text.length };
};

dialog.addEventListener("input", (event) => search(event.target.value));
dialog.addEventListener("click", (event) => {
  const offer = event.target.closest(".da-offer");
  if (event.target === dialog) dialog.close();
  else if (offer) insert(offer.dataset);
});
listenToOfferKeys(dialog);
dialog.addEventListener("close", () => { if (document.activeElement === document.body) target?.editor.focus(); });
