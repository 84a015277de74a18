/* Dialogs: buttons open and close them by `command` and `commandfor`; the browser traps the focus and gives it back. */

const show = (dialog) => { if (!dialog.open) dialog.showModal(); };

// An address may name one that is to be open.
window.addEventListener("load", () => {
  const named = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (named && named.matches("dialog")) show(named);
});

// So is one that an answer fills, or that comes as what is asked next.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.matches?.("dialog")) show(event.detail.target);
  for (const dialog of document.querySelectorAll("dialog[data-opens]")) {
    dialog.removeAttribute("data-opens"); // once: it stays closed when something else is drawn
    show(dialog);
  }
});

document.addEventListener("click", (event) => {
  if (event.target.matches("dialog[closedby=any]")) event.target.close(); // where a browser does not know the attribute
  const dialog = event.target.closest("a[data-close]")?.closest("dialog"); // a link back, on the same question's own page
  if (!dialog) return;
  event.preventDefault();
  dialog.close();
});
