/* The overview: refreshed every 15 seconds while the page is visible. */
import { fill, gettext } from "../shared/i18n.js";

const EVERY = 15;
const shown = document.getElementById("updated");
let at = Date.now(), lost = false;

const say = () => {
  const seconds = Math.round((Date.now() - at) / 1000);
  shown.classList.toggle("offline", lost);
  const elapsed = seconds < 60 ? fill(gettext("%(number)s s"), { number: seconds }) : fill(gettext("%(number)s min"), { number: Math.floor(seconds / 60) });
  shown.textContent = fill(lost ? gettext("Not updated for %(elapsed)s, retrying") : gettext("Live, updated %(elapsed)s ago"), { elapsed });
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
