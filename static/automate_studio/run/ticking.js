/* Parts that change with the clock alone: elapsed and remaining times, the line of now, and bars that have not ended. */
import { fill, gettext } from "../shared/i18n.js";

// Times are the server's: its clock and this one may differ.
const now = document.querySelector("[data-now]")?.dataset.now;
const skew = now ? Date.parse(now) - Date.now() : 0;
const secondsSince = (moment) => Math.max(0, (Date.now() + skew - Date.parse(moment)) / 1000);

const decimal = new Intl.NumberFormat(document.documentElement.lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

const text = (seconds) => {
  if (seconds < 60) return fill(gettext("%(number)s s"), { number: decimal.format(seconds) });
  const minutes = Math.floor(seconds / 60);
  const rest = Math.floor(seconds % 60);
  if (minutes < 60) return fill(gettext("%(minutes)s m %(seconds)s s"), { minutes, seconds: String(rest).padStart(2, "0") });
  return fill(gettext("%(hours)s h %(minutes)s m"), { hours: Math.floor(minutes / 60), minutes: String(minutes % 60).padStart(2, "0") });
};

const left = (moment) => {
  const seconds = Math.ceil((Date.parse(moment) - Date.now() - skew) / 1000);
  if (seconds <= 0) return gettext("now");
  return fill(gettext("in %(duration)s"), { duration: seconds < 60 ? fill(gettext("%(number)s s"), { number: seconds }) : text(seconds) });
};

const drawOn = (axis) => {
  const elapsed = secondsSince(axis.dataset.started) * 1000;
  const total = Number(axis.dataset.total);
  const line = document.getElementById("now-line");
  if (line) {
    line.style.left = `${Math.min(100, (elapsed / total) * 100)}%`;
    line.firstElementChild.textContent = text(elapsed / 1000);
  }
  for (const bar of document.querySelectorAll("#timeline .live")) {
    bar.style.setProperty("--w", Math.max(0, Math.min(total, elapsed) - Number(bar.style.getPropertyValue("--s"))));
  }
  if (elapsed > total) document.dispatchEvent(new Event("da:outgrown")); // a longer axis is the server's to draw
};

const tick = () => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("[data-since]")) element.textContent = text(secondsSince(element.dataset.since));
  for (const element of document.querySelectorAll("[data-until]")) element.textContent = left(element.dataset.until);
  const axis = document.getElementById("axis");
  if (!axis) return;
  document.getElementById("timeline").style.setProperty("--total", axis.dataset.total);
  if (axis.dataset.started) drawOn(axis);
};

document.addEventListener("da:patched", tick);
document.addEventListener("htmx:afterSettle", tick);
setInterval(tick, 250);
tick();
