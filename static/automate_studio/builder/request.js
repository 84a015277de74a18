/* Every request of the builder's scripts: with the token, and led to sign in where the session has ended. */
import { fill, gettext } from "../shared/i18n.js";
import { keepForLater } from "./unsaved.js";

const builder = document.getElementById("builder");
export const csrfToken = JSON.parse(builder.closest("[hx-headers]").getAttribute("hx-headers"))["X-CSRFToken"];

const form = (values) => (values instanceof FormData ? values : Object.entries(values).reduce((made, [name, value]) => (made.set(name, value), made), new FormData()));

// A POST of `values`, without them a GET. Raises a TypeError when the server cannot be reached.
export const request = async (url, values = null, options = {}) => {
  const headers = { "X-CSRFToken": csrfToken, "HX-Request": "true", "HX-Current-URL": location.href };
  const answer = await fetch(url, { ...options, headers, ...(values && { method: "POST", body: form(values) }) });
  if (answer.status === 401) {
    keepForLater();
    location.assign(answer.headers.get("HX-Redirect") ?? location.href);
  }
  return answer;
};

export const serverError = (status) => fill(gettext("The server returned status %(status)s."), { status });

// What htmx sends is led to sign in by htmx.
builder.addEventListener("htmx:beforeOnLoad", (event) => { if (event.detail.xhr.status === 401) keepForLater(); });
