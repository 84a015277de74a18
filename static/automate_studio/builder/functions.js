/* The functions and filters of expressions: searched by name, then by what they give, and inserted at the caret. */
import { listbox } from "../shared/listbox.js";
import { EXPRESSION } from "./expressions.js";
import { request } from "./request.js";

const builder = document.getElementById("builder");
const dialog = document.getElementById("functions");
const sought = dialog.querySelector("input");
const list = dialog.querySelector("[role=listbox]");
let target = null; // {editor, at}: where it goes
let loading = null; // the list, once it was asked for

export const openFunctions = async (editor) => {
  target = { editor, at: editor.caret.start };
  sought.value = "";
  dialog.showModal();
  sought.focus();
  loading ??= load();
  await loading;
  choices.narrow(sought.value); // what was typed meanwhile
};

const load = async () => {
  const answer = await request(builder.dataset.functions);
  list.innerHTML = answer.ok ? await answer.text() : "";
  choices.attach(sought);
  if (!answer.ok) loading = null; // the next opening tries again
};

// Applied to the expression that the caret is in or just behind; where there is none, its example comes.
const insert = ({ dataset: { applied, around, example } }) => {
  const { editor, at } = target;
  dialog.close();
  const raw = editor.raw;
  const found = [...raw.matchAll(EXPRESSION)].find((each) => each.index < at && at <= each.index + each[0].length);
  const inner = found?.[0].slice(2, -2).trim();
  const text = !found || !(applied || around) ? example : around ? `{{ ${around.replace("$", () => inner)} }}` : `{{ ${inner} | ${applied} }}`;
  const [start, end] = found && text !== example ? [found.index, found.index + found[0].length] : [at, at];
  editor.focus();
  editor.replace(start, end, text);
};

const choices = listbox(list, { choose: insert, close: () => dialog.close() });
dialog.addEventListener("close", () => { if (document.activeElement === document.body) target?.editor.focus(); });
