/* The triggers' panel: a webhook made in place, and waiting for the next event. Everything goes through the builder's queue. */
import { gettext } from "../shared/i18n.js";
import { flush, send } from "./commands.js";
import { request, serverError } from "./request.js";

const builder = document.getElementById("builder");
const EVERY = 2000; // ms between looks
const LONGEST = 300000; // ms after which nobody seems to come
const waits = new Map(); // key of the trigger: its timer

// --- a new webhook ------------------------------------------------------------------------------------------------------

const revOf = (id) => document.getElementById(id)?.value ?? "0";

const create = async (form) => {
  const button = form.querySelector("button:not([type])");
  button.setAttribute("aria-busy", "true");
  await flush();
  const done = await send(form.dataset.createEndpoint, () => {
    const values = new FormData(form);
    values.set("rev", revOf(form.dataset.revIn));
    return values;
  });
  button.removeAttribute("aria-busy");
  const key = form.dataset.revIn.slice("rev-".length);
  if (done) (document.getElementById(`secret-${key}`) ?? document.querySelector(`#endpoint-${key} button`))?.focus();
  else form.querySelector(".da-help.error")?.closest(".da-field")?.querySelector("input, select")?.focus();
};

builder.addEventListener("click", (event) => {
  const wait = event.target.closest("[data-wait]");
  if (wait) (waits.has(wait.dataset.key) ? stop : start)(wait);
});
builder.addEventListener("submit", (event) => { if (event.target.matches("[data-create-endpoint]")) create(event.target); });

// --- what a poll finds now ----------------------------------------------------------------------------------------------

// What was typed a moment ago is stored first. That draws this part again, so that the place is looked up for the answer.
const find = async (form) => {
  const { find: url, foundIn } = form.dataset;
  const busyButton = (isBusy) => {
    const button = document.querySelector(`[data-found-in="${CSS.escape(foundIn)}"] button`);
    if (button) button.disabled = isBusy;
  };
  await flush();
  busyButton(true);
  let html = "";
  let problem = "";
  try {
    const answer = await request(url, {});
    if (answer.ok) html = await answer.text();
    else problem = serverError(answer.status);
  } catch {
    problem = gettext("The server cannot be reached. Try again in a moment.");
  }
  busyButton(false);
  const place = document.getElementById(foundIn);
  if (!place) return;
  if (problem) place.textContent = problem;
  else place.innerHTML = html;
  htmx.process(place);
};

builder.addEventListener("submit", (event) => { if (event.target.matches("[data-find]")) find(event.target); });

// --- waiting for an event -----------------------------------------------------------------------------------------------

const tell = (key, text) => {
  const place = document.getElementById(`waiting-${key}`);
  if (place) place.textContent = text;
};

const stop = (button, text = "") => {
  const { key } = button.dataset;
  clearTimeout(waits.get(key));
  waits.delete(key);
  button.textContent = gettext("Wait for the next event");
  tell(key, text);
};

const start = async (button) => {
  const { key, wait } = button.dataset;
  const began = Date.now();
  let mark = "";
  const current = () => button.isConnected && waits.has(key);
  const again = () => waits.set(key, setTimeout(look, EVERY));
  const look = async () => {
    if (!button.isConnected) { waits.delete(key); return; }
    if (Date.now() - began > LONGEST) { stop(button, gettext("No event arrived within five minutes.")); return; }
    if (document.hidden) { again(); return; }
    try {
      const query = new URLSearchParams({ after: mark, seconds: Math.ceil((Date.now() - began) / 1000) });
      const answer = await request(mark ? `${wait}?${query}` : wait);
      if (!current()) return;
      if (!answer.ok) { stop(button, serverError(answer.status)); return; }
      mark = answer.headers.get("X-After") ?? mark;
      const event = answer.headers.get("X-Event");
      if (event) { stop(button); await send(wait, { event }); return; }
      const refused = answer.headers.get("X-Refused");
      tell(key, refused ? decodeURIComponent(refused) : gettext("Waiting for the next event."));
    } catch {
      tell(key, gettext("The server cannot be reached. Retrying."));
    }
    if (current()) again();
  };
  waits.set(key, 0);
  button.textContent = gettext("Stop waiting");
  tell(key, gettext("Waiting for the next event."));
  await look();
};
