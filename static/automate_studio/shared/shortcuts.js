/* The list of shortcuts that `?` opens, and no shortcut while somebody types or chooses. */

const CHORD = (event) => event.ctrlKey || event.metaKey || event.altKey;
const isTyping = (place) => place.closest?.("input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select") || place.isContentEditable;

// Before anybody else's: the frame around our pages has a list of its own, which knows nothing of the page.
window.addEventListener("keydown", (event) => {
  if (event.key !== "?" || CHORD(event) || isTyping(event.target)) return;
  const dialog = document.getElementById("keys");
  if (!dialog || document.querySelector("dialog[open]:not(#keys)")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (dialog.open) dialog.close();
  else dialog.showModal();
}, true);

// The browser gives the focus before the frame shows anything, and then to nothing.
document.addEventListener("DOMContentLoaded", () => {
  if (document.activeElement === document.body) document.querySelector(".da-root [autofocus]")?.focus();
});

// The frame's keys are heard at the window, and know texts but no choices: there a letter chooses.
document.addEventListener("keydown", (event) => {
  if (event.key.length === 1 && !CHORD(event) && isTyping(event.target)) event.stopPropagation();
});
