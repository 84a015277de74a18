/* The live run page: one event stream while the page is visible, polling where there is none, exact by sequence. */
import { fill, gettext, ngettext } from "../shared/i18n.js";

const run = document.getElementById("run");
const live = document.getElementById("live");
const followed = document.getElementById("follow");
const inspector = document.getElementById("inspector");
let seq = Number(document.getElementById("run-state").dataset.seq);
let selected = run.dataset.selected;
let source = null;
let timer = null;
let polling = null;
let failures = 0;

// What is looked at: the item of a loop whose steps are drawn, and which page of which loop's items.
const itemOf = (path) => path.slice(0, path.lastIndexOf("]") + 1);
const { loop, items, page } = run.dataset;
const view = { item: run.dataset.frame || itemOf(selected), loop, items, page };

const ended = () => document.getElementById("run-state").dataset.ended === "1";
const show = (text, state = "") => {
  live.hidden = false;
  live.textContent = text;
  live.className = `da-live ${state}`;
};

const query = (more) => {
  const asked = new URLSearchParams(more);
  for (const [name, value] of Object.entries(view)) if (value !== "") asked.set(name, value);
  return asked;
};

// --- what arrives ---------------------------------------------------------------------------------------------------

const mark = () => {
  for (const element of run.querySelectorAll("[data-path]")) {
    const on = element.dataset.path === selected;
    element.classList.toggle("chosen", on);
    if (element.hasAttribute("aria-selected")) {
      element.setAttribute("aria-selected", on);
      element.tabIndex = on ? 0 : -1;
    }
    const link = element.matches(".timeline-row") && element.querySelector("a");
    if (link) on ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }
};

const rowOf = (path) => run.querySelector(`.da-gantt [data-path="${CSS.escape(path)}"]`);
const sign = () => rowOf(selected)?.dataset.sign ?? run.querySelector(`.da-step[data-path="${CSS.escape(selected)}"]`)?.getAttribute("aria-label");
const inspected = () => inspector.querySelector("[data-inspected]")?.dataset.inspected;
const inspect = (path, swap = "innerHTML") => htmx.ajax("GET", `${run.dataset.steps}${path}/`, { target: "#inspector", swap });

const apply = (html, number, full = false) => {
  if (number < seq || (number === seq && !full)) return;
  seq = number;
  const before = sign();
  const failed = failedCards();
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const part of template.content.children) part.setAttribute("hx-swap-oob", "morph");
  htmx.swap(run, template.innerHTML, { swapStyle: "none" });
  mark();
  announce([...failedCards()].filter(([id]) => !failed.has(id)));
  document.dispatchEvent(new Event("da:patched"));
  if (isFollowing()) goAlong();
  else if (before && sign() !== before) inspect(selected, "morph:innerHTML");
  if (!ended()) readLog();
  else finish();
};

// Lines that a running step logs raise the sequence, and change nothing else of the page.
const isRunning = (path) => inspected() === path && run.querySelector(`.da-step[data-path="${CSS.escape(path)}"]`)?.dataset.st === "running";
let reading = null;
const readLog = () => {
  if (reading || !isRunning(selected)) return;
  reading = setTimeout(() => {
    reading = null;
    if (isRunning(selected)) inspect(selected, "morph:innerHTML");
  }, 200);
};

// Said are failures alone, at most every five seconds; that the run has ended is said by its state.
const failedCards = () => new Map([...run.querySelectorAll(".da-step[data-st=failed]")].map((card) => [card.dataset.path, card.querySelector(".name").textContent]));
const unsaid = [];
let saying = null;
const announce = (found) => {
  unsaid.push(...found.map(([, name]) => fill(gettext("Failed: %(step)s"), { step: name })));
  if (!unsaid.length || saying) return;
  document.getElementById("run-said").textContent = unsaid.splice(0).join(", ");
  saying = setTimeout(() => { saying = null; announce([]); }, 5000);
};

const finish = () => {
  leave();
  show(gettext("Ended"), "offline");
  // What is streamed holds no payload, and a message may: whoever may see it reads it from the page.
  if (!document.getElementById("run-error").hidden) {
    htmx.ajax("GET", location.href, { target: "#run-error", select: "#run-error", swap: "outerHTML" });
  }
};

// --- how it comes ---------------------------------------------------------------------------------------------------

let connects = 0;
const disconnect = () => {
  connects += 1;
  source?.close();
  source = null;
  clearTimeout(timer);
  clearInterval(polling);
  polling = null;
};

const retryLater = () => {
  source?.close();
  source = null;
  failures += 1;
  const seconds = Math.min(15, 2 ** failures / 2);
  show(failures > 2 ? gettext("Reconnecting, updating every 5 s") : fill(gettext("Reconnecting in %(seconds)s s"), { seconds: Math.ceil(seconds) }), "reconnecting");
  if (failures > 2 && !polling) {
    poll();
    polling = setInterval(poll, 5000);
  }
  clearTimeout(timer);
  timer = setTimeout(open, seconds * 1000);
};

const poll = async (full = false) => {
  const asked = JSON.stringify(view);
  try {
    const answer = await fetch(`${run.dataset.patch}?${query(full === true ? {} : { after: seq })}`, { headers: { "HX-Request": "true" } });
    if (answer.status === 401) location.assign(answer.headers.get("HX-Redirect") ?? location.href);
    if (answer.status === 404) {
      disconnect();
      show(gettext("You no longer have access to this run"), "offline");
    }
    const html = answer.status === 200 ? await answer.text() : "";
    if (html && asked === JSON.stringify(view)) apply(html, Number(answer.headers.get("X-Seq")), full === true);
    return answer.ok;
  } catch {
    return false;
  }
};

const pollOnAndOn = async () => {
  const mine = connects;
  const well = await poll();
  if (mine !== connects || ended()) return;
  show(well ? gettext("Live") : gettext("Reconnecting"), well ? "" : "reconnecting");
  timer = setTimeout(connect, 1000);
};

const open = () => {
  source?.close();
  source = new EventSource(`${run.dataset.stream}?${query({ after: seq })}`);
  source.addEventListener("open", () => {
    failures = 0;
    clearInterval(polling);
    polling = null;
    show(gettext("Live"));
  });
  source.addEventListener("patch", (event) => apply(event.data, Number(event.lastEventId)));
  source.addEventListener("close", finish);
  source.addEventListener("error", retryLater);
};

// A browser opens six connections to a host and no more: a few of its pages stream, further ones that are visible poll.
let release = null;
const take = (number) => new Promise((done) => {
  navigator.locks.request(`da-stream-${number}`, { ifAvailable: true }, (lock) => {
    done(Boolean(lock));
    return lock && new Promise((free) => { release = free; });
  });
});
const mayStream = async () => {
  if (!run.dataset.stream) return false;
  if (!navigator.locks || release) return true;
  for (let number = 0; number < 4; number += 1) if (await take(number)) return true;
  return false;
};

const connect = async () => {
  disconnect();
  if (ended() || document.hidden) return;
  const mine = connects;
  const streams = await mayStream();
  if (document.hidden) leave();
  if (mine !== connects) return;
  if (streams) open();
  else pollOnAndOn();
};

const leave = () => {
  disconnect();
  release?.();
  release = null;
};

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) connect();
  else if (!ended()) {
    leave();
    show(gettext("Paused"), "offline");
  }
});
window.addEventListener("pagehide", leave);
window.addEventListener("pageshow", (event) => { if (event.persisted) connect(); });

let outgrown = false;
document.addEventListener("da:outgrown", async () => {
  if (outgrown || ended()) return;
  outgrown = true;
  await poll(true);
  setTimeout(() => { outgrown = false; }, 1000);
});

// Something else of the run is looked at: draw that, and stream it from there on.
const look = async () => {
  disconnect();
  await poll(true);
  connect();
};

// --- what the reader does -------------------------------------------------------------------------------------------

const address = (push) => {
  const asked = query({ step: selected });
  asked.delete("follow");
  if (itemOf(selected) === view.item) asked.delete("item");
  history[push ? "pushState" : "replaceState"](null, "", `?${asked}`);
};

const turnTo = (name) => {
  const input = document.querySelector(`input[name=view][value=${name}]`);
  if (getComputedStyle(input.closest(".da-views")).display !== "none") input.checked = true;
};

const choose = (path, push = true) => {
  selected = path;
  mark();
  address(push);
  const item = itemOf(path);
  if (!item || item === view.item) return;
  view.item = item;
  look();
};

// An item is opened at its step that failed, goes on or comes first: the server says which.
const openItem = (path, keepPage = false) => {
  if (!keepPage) view.page = "";
  view.item = selected = path;
  address(true);
  if (isFollowing()) follow(false);
  else look();
  inspect(path);
};

let byKey = false;
run.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const item = event.target.closest("[data-item]");
  const filter = event.target.closest("[data-items], [data-page]");
  const chosen = event.target.closest("[data-path]");
  if (filter && filter !== run) {
    event.preventDefault();
    view.loop = filter.closest("[data-loop]").dataset.loop;
    if (filter.dataset.items !== undefined) Object.assign(view, { items: filter.dataset.items, page: "" });
    else view.page = filter.dataset.page;
    address(false);
    look();
  } else if (item) {
    event.preventDefault();
    openItem(item.dataset.item, item.closest(".timeline-row") !== null);
  } else if (chosen) {
    event.preventDefault();
    byKey = event.detail === 0;
    follow(false);
    choose(chosen.dataset.path);
    turnTo("step");
  }
});

run.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-goto]");
  if (!form) return;
  event.preventDefault();
  const number = form.querySelector("input").valueAsNumber;
  if (number >= 1) openItem(`${form.closest("[data-loop]").dataset.loop}[${Math.floor(number) - 1}]`);
});

window.addEventListener("popstate", () => {
  const asked = new URLSearchParams(location.search);
  selected = asked.get("step") ?? run.dataset.selected;
  view.item = itemOf(selected) || (asked.get("item") ?? "");
  for (const name of ["loop", "items", "page"]) view[name] = asked.get(name) ?? "";
  mark();
  turnTo("steps");
  look();
  inspect(selected);
});

// Shift with left and right: the item before or after, of the loop that the card is or lies in.
run.addEventListener("keydown", (event) => {
  const card = event.target.closest("[role=treeitem]");
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!card || !way || !event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  const own = document.getElementById(card.id.replace(/^card-/, "arms-"))?.querySelector(":scope > .da-arm > .da-item");
  const around = own ?? card.closest(".da-arm:has(> .da-item)")?.querySelector(":scope > .da-item");
  around?.querySelector(`[data-way="${way}"]`)?.click();
});

// From the keyboard: Enter goes into the step's panel, Escape back to its card.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "inspector") return;
  const shown = inspected();
  if (selected.endsWith("]") && shown) {
    selected = shown;
    mark();
    address(false);
  }
  if (byKey) document.getElementById("inspector-name").focus();
  byKey = false;
});

inspector.addEventListener("keydown", (event) => {
  if (event.key === "Escape") run.querySelector(".da-step.chosen")?.focus();
});

// --- following ------------------------------------------------------------------------------------------------------

const isFollowing = () => followed.getAttribute("aria-pressed") === "true";

const follow = (on) => {
  if (on === isFollowing()) return;
  followed.setAttribute("aria-pressed", on);
  localStorage.setItem("da-follow", on ? "1" : "");
  Object.assign(view, on ? { follow: "1", item: "", page: "" } : { follow: "", item: itemOf(selected) });
  look();
};

const goAlong = () => {
  const path = document.getElementById("axis").dataset.follow;
  if (!path || path === selected) return;
  selected = path;
  mark();
  address(false);
  inspect(path);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const behavior = still ? "instant" : "smooth";
  run.querySelector(".da-step.chosen")?.scrollIntoView({ block: "center", inline: "nearest", behavior });
  rowOf(path)?.scrollIntoView({ block: "nearest", behavior });
};

followed.addEventListener("click", () => follow(!isFollowing()));

// --- the log --------------------------------------------------------------------------------------------------------

// It goes with its tail only while the reader is there; otherwise it says how much came.
let read = null;
let unread = 0;
const scrollerOf = (log) => {
  for (let each = log; each !== run; each = each.parentElement) if (each.scrollHeight > each.clientHeight + 1 && getComputedStyle(each).overflowY !== "visible") return each;
  return log;
};
const isAtEnd = (scroller) => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 24;

document.addEventListener("htmx:beforeSwap", (event) => {
  const log = event.detail.target?.id === "inspector" && inspector.querySelector("[role=log]");
  if (!log) return;
  const scroller = scrollerOf(log);
  read = { path: inspected(), lines: log.querySelectorAll("p").length, top: scroller.scrollTop, isAtEnd: isAtEnd(scroller) };
});

document.addEventListener("htmx:afterSettle", (event) => {
  const log = event.target.id === "inspector" && inspector.querySelector("[role=log]");
  if (!log) return;
  if (read?.path !== inspected()) {
    unread = 0;
    return;
  }
  const came = log.querySelectorAll("p").length - read.lines;
  const scroller = scrollerOf(log);
  scroller.scrollTop = read.isAtEnd && came > 0 ? scroller.scrollHeight : read.top;
  unread = isAtEnd(scroller) ? 0 : unread + Math.max(0, came);
  if (!unread) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "da-btn tiny da-newer";
  button.textContent = fill(ngettext("%(count)s new line", "%(count)s new lines", unread), { count: unread });
  button.addEventListener("click", () => { scroller.scrollTop = scroller.scrollHeight; });
  scroller.addEventListener("scroll", () => {
    if (!isAtEnd(scroller)) return;
    unread = 0;
    button.remove();
  });
  log.append(button);
});

mark();
if (ended()) show(gettext("Ended"), "offline");
else if (localStorage.getItem("da-follow") && !new URLSearchParams(location.search).has("step")) {
  follow(true);
} else connect();
