/* Every request of the builder's scripts: with the token, and led to sign in where the session has ended. */
import { fill, gettext } from "../shared/i18n.js";
import { keepForLater } from "./unsaved.js";

const builder = document.getElementById("builder");
export const csrfToken = JSON.parse(builder.closest("[hx-headers]").getAttribute("hx-headers"))["X-CSRFToken"];

// This tab by name, so that edits of two tabs conflict and those of a page loaded anew do not. The name is stored only
// while no page has it: a tab that is duplicated takes another one.
const TAB = "automate-tab";
const tab = sessionStorage.getItem(TAB) ?? crypto.randomUUID?.() ?? String(Math.random()).slice(2);
sessionStorage.removeItem(TAB);
window.addEventListener("pagehide", () => sessionStorage.setItem(TAB, tab));
window.addEventListener("pageshow", () => sessionStorage.removeItem(TAB));

const form = (values) => (values instanceof FormData ? values : Object.entries(values).reduce((made, [name, value]) => (made.set(name, value), made), new FormData()));

// A POST of `values`, without them a GET. Raises a TypeError when the server cannot be reached.
export const request = async (url, values = null, options = {}) => {
  const headers = { "X-CSRFToken": csrfToken, "X-Automate-Tab": tab, "HX-Request": "true", "HX-Current-URL": location.href };
  const answer = await fetch(url, { ...options, headers, ...(values && { method: "POST", body: form(values) }) });
  if (answer.status === 401) {
    keepForLater();
    location.assign(answer.headers.get("HX-Redirect") ?? location.href);
  }
  return answer;
};

// The server restarts or has too much to do, by its own word or by its proxy's.
const isBusy = (status) => [502, 503, 504].includes(status);

export const serverError = (status) => (isBusy(status) ? gettext("The server is busy or restarting. Try again in a moment.") : fill(gettext("The server returned status %(status)s."), { status }));

// Why nothing was saved; the status is 0 where there is no answer.
export const notSaved = (status) => {
  if (!status) return gettext("Not saved: the server cannot be reached");
  return isBusy(status) ? gettext("Not saved: the server is busy or restarting") : fill(gettext("Not saved: the server returned status %(status)s"), { status });
};

// What htmx sends is led to sign in by htmx.
builder.addEventListener("htmx:beforeOnLoad", (event) => { if (event.detail.xhr.status === 401) keepForLater(); });
