/* The overview: asked for anew every 15 seconds while somebody may look at it. */

const EVERY = 15;
const shown = document.getElementById("updated");
let at = Date.now(), lost = false;

const say = () => {
  const seconds = Math.round((Date.now() - at) / 1000);
  shown.classList.toggle("offline", lost);
  const ago = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
  shown.textContent = lost ? `Not updated for ${ago}, trying again` : `Live, updated ${ago} ago`;
};

const refresh = () => htmx.trigger("#live", "da:refresh");
let asked = Date.now();
setInterval(() => {
  if (document.hidden) return;
  if (!document.querySelector("dialog[open], #live :is(details[open], :popover-open)") && Date.now() - asked >= EVERY * 1000) {
    asked = Date.now();
    refresh();
  }
  say();
}, 1000);

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt.id === "live") lost = !event.detail.successful;
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.id === "live" || event.target.id === "live") {
    at = asked = Date.now();
    shown.title = document.getElementById("live").dataset.at;
    say();
  }
});
