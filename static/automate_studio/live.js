/* The live run page: one event stream while the page is visible, polling where there is none, exact by sequence. */
(() => {
  "use strict";
  const run = document.getElementById("run");
  const live = document.getElementById("live");
  let seq = Number(document.getElementById("run-state").dataset.seq);
  let selected = run.dataset.selected;
  let source = null;
  let timer = null;
  let failures = 0;

  const ended = () => document.getElementById("run-state").dataset.ended === "1";
  const show = (text, state = "") => {
    live.hidden = false;
    live.textContent = text;
    live.className = `da-live ${state}`;
  };

  // --- what arrives ---------------------------------------------------------------------------------------------------

  const mark = () => {
    for (const element of run.querySelectorAll("[data-path]")) {
      const on = element.dataset.path === selected;
      element.classList.toggle("sel", on);
      if (element.hasAttribute("aria-selected")) {
        element.setAttribute("aria-selected", on);
        element.tabIndex = on ? 0 : -1;
      }
    }
  };

  const state = () => {
    const row = run.querySelector(`.da-gantt [data-path="${CSS.escape(selected)}"]`);
    return row && `${row.dataset.st} ${row.querySelector(".du").textContent} ${row.querySelectorAll(".br i").length}`;
  };

  const apply = (html, number) => {
    if (number <= seq) return;
    seq = number;
    const before = state();
    const template = document.createElement("template");
    template.innerHTML = html;
    for (const part of template.content.children) part.setAttribute("hx-swap-oob", "morph");
    htmx.swap(run, template.innerHTML, { swapStyle: "none" });
    mark();
    if (state() !== before && selected) {
      htmx.ajax("GET", `${run.dataset.steps}${selected}/`, { target: "#inspector", swap: "morph:innerHTML" });
    }
    if (ended()) finish();
  };

  const finish = () => {
    disconnect();
    show("Ended", "of");
  };

  // --- how it comes ---------------------------------------------------------------------------------------------------

  const disconnect = () => {
    source?.close();
    source = null;
    clearTimeout(timer);
  };

  const retryLater = () => {
    disconnect();
    failures += 1;
    const seconds = Math.min(15, 2 ** failures / 2);
    show(failures > 2 ? "Reconnecting, polling meanwhile" : `Reconnecting in ${Math.ceil(seconds)} s`, "re");
    timer = setTimeout(async () => {
      if (failures > 2) await poll();
      if (!ended()) connect();
    }, seconds * 1000);
  };

  const poll = async () => {
    try {
      const answer = await fetch(`${run.dataset.patch}?after=${seq}`, { headers: { "HX-Request": "true" } });
      if (answer.status === 401) location.assign(answer.headers.get("HX-Redirect") ?? location.href);
      if (answer.status === 200) apply(await answer.text(), Number(answer.headers.get("X-Seq")));
      return answer.ok;
    } catch {
      return false;
    }
  };

  const pollOnAndOn = async () => {
    const well = await poll();
    if (ended() || document.hidden) return;
    show(well ? "Live" : "Reconnecting", well ? "" : "re");
    timer = setTimeout(pollOnAndOn, 1000);
  };

  const connect = () => {
    disconnect();
    if (ended() || document.hidden) return;
    if (!run.dataset.stream) {
      pollOnAndOn();
      return;
    }
    source = new EventSource(`${run.dataset.stream}?after=${seq}`);
    source.addEventListener("open", () => { failures = 0; show("Live"); });
    source.addEventListener("patch", (event) => apply(event.data, Number(event.lastEventId)));
    source.addEventListener("close", finish);
    source.addEventListener("error", retryLater);
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? (disconnect(), show("Paused", "of")) : connect()));
  window.addEventListener("pagehide", disconnect);

  // --- what the reader does -------------------------------------------------------------------------------------------

  run.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-path]");
    if (!chosen) return;
    event.preventDefault();
    selected = chosen.dataset.path;
    mark();
    history.replaceState(null, "", `?step=${encodeURIComponent(selected)}`);
    const view = document.querySelector("input[name=view][value=step]");
    if (view && getComputedStyle(view.closest(".da-views")).display !== "none") view.checked = true;
  });

  // Elapsed time ticks from the server's clock, without events.
  const skew = (() => {
    const now = document.querySelector("[data-now]")?.dataset.now;
    return now ? Date.parse(now) - Date.now() : 0;
  })();
  const text = (seconds) => {
    if (seconds < 60) return `${seconds.toFixed(1)} s`;
    const minutes = Math.floor(seconds / 60);
    const rest = Math.floor(seconds % 60);
    return minutes < 60 ? `${minutes} m ${String(rest).padStart(2, "0")} s` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} m`;
  };
  setInterval(() => {
    for (const element of document.querySelectorAll("[data-since]")) {
      element.textContent = text(Math.max(0, (Date.now() + skew - Date.parse(element.dataset.since)) / 1000));
    }
  }, 500);

  // The editor frame takes the whole width. Unfold decides about its sidebar when it first measures the window.
  window.addEventListener("load", () => requestAnimationFrame(() => {
    Alpine.$data(document.documentElement).sidebarOpen = false;
  }));

  mark();
  if (ended()) show("Ended", "of");
  else connect();
})();
