/* Dialogs: the browser traps the focus and gives it back. */

// An address may name one that is to be open.
window.addEventListener("load", () => {
  const named = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (named && named.matches("dialog")) named.showModal();
});
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
  else event.target.closest("[data-close]")?.closest("dialog").close();
});
