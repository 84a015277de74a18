/* Buttons that copy. */
import { gettext } from "./i18n.js";

const say = (button, text) => {
  button.classList.add("said");
  button.title = text;
  setTimeout(() => { button.classList.remove("said"); button.removeAttribute("title"); }, 1500);
};

// A text that the browser does not let us copy, selected beside the button for the keyboard.
const offer = (button, text) => {
  const shown = document.createElement("input");
  Object.assign(shown, { readOnly: true, value: text, className: "da-input" });
  shown.setAttribute("aria-label", gettext("Press Ctrl+C to copy"));
  shown.title = gettext("Press Ctrl+C to copy");
  shown.addEventListener("blur", () => shown.remove());
  button.after(shown);
  shown.focus();
  shown.select();
};

// What a button copies: its own text, or what the server gives for it.
const copied = async (button) => {
  const { copy, copyFrom } = button.dataset;
  if (!copyFrom) return copy;
  const answer = await fetch(copyFrom);
  if (!answer.ok) throw new Error(answer.status === 413 ? gettext("Too large to copy. Download it instead.") : gettext("The value could not be loaded."));
  return answer.text();
};

const copy = async (button) => {
  let text;
  try {
    text = await copied(button);
  } catch (error) {
    say(button, error.message);
    return;
  }
  try {
    await navigator.clipboard.writeText(text);
    say(button, gettext("Copied"));
  } catch {
    say(button, gettext("The browser blocked copying."));
    offer(button, text);
  }
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (button) copy(button);
});
