/* Who else is here: the page tells of itself while it can be seen, and marks the cards that others are at. */
import { draft, selected } from "./commands.js";
import { csrfToken, request } from "./request.js";

const EVERY = 10_000;
const builder = document.getElementById("builder");
let timer = null;

const draw = () => {
  const presence = document.getElementById("presence");
  for (const card of builder.querySelectorAll(".da-flow [data-here]")) card.removeAttribute("data-here");
  for (const other of presence.querySelectorAll("[data-at]")) {
    const at = other.dataset.at;
    const card = at === "~trigger" ? document.getElementById("card-trigger") : !at ? null : builder.querySelector(`.da-flow [data-key="${CSS.escape(at)}"]`);
    card?.setAttribute("data-here", `${card.dataset.here ?? ""} ${other.dataset.initials}`.trim());
  }
  document.getElementById("others-changes").hidden = Number(presence.dataset.rev) <= Number(draft().seen);
};

const tell = async () => {
  clearTimeout(timer);
  if (document.hidden) return;
  timer = setTimeout(tell, EVERY);
  try {
    const answer = await request(builder.dataset.here, { step: selected });
    if (!answer.ok) return;
    document.getElementById("presence").outerHTML = await answer.text();
    draw();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the network is away: the next time tells
  }
};

const soon = () => { clearTimeout(timer); timer = setTimeout(tell, 300); };

const leave = () => {
  const body = new FormData();
  body.set("leave", "1");
  body.set("csrfmiddlewaretoken", csrfToken);
  navigator.sendBeacon(builder.dataset.here, body);
};

let told = null;
builder.addEventListener("automate:shown", () => {
  draw();
  if (told !== selected) soon();
  told = selected;
});
document.addEventListener("visibilitychange", tell);
window.addEventListener("pagehide", leave);
window.addEventListener("pageshow", tell);
