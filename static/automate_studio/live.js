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

  const apply = (html, number, anew = false) => {
    if (number < seq || (number === seq && !anew)) return;
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
    // What is streamed holds no payload, and a message may: whoever may see it reads it from the page.
    if (!document.getElementById("run-error").hidden) {
      htmx.ajax("GET", location.href, { target: "#run-error", select: "#run-error", swap: "outerHTML" });
    }
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

  const poll = async (anew = false) => {
    try {
      const answer = await fetch(`${run.dataset.patch}${anew ? "" : `?after=${seq}`}`, { headers: { "HX-Request": "true" } });
      if (answer.status === 401) location.assign(answer.headers.get("HX-Redirect") ?? location.href);
      if (answer.status === 200) apply(await answer.text(), Number(answer.headers.get("X-Seq")), anew);
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

  const view = (name) => {
    const input = document.querySelector(`input[name=view][value=${name}]`);
    if (getComputedStyle(input.closest(".da-views")).display !== "none") input.checked = true;
  };
  let byKey = false;

  run.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-path]");
    if (!chosen) return;
    event.preventDefault();
    byKey = event.detail === 0;
    selected = chosen.dataset.path;
    mark();
    history.pushState(null, "", `?step=${encodeURIComponent(selected)}`);
    view("step");
  });

  window.addEventListener("popstate", () => {
    selected = new URLSearchParams(location.search).get("step") ?? run.dataset.selected;
    mark();
    view("steps");
    htmx.ajax("GET", `${run.dataset.steps}${selected}/`, { target: "#inspector" });
  });

  // From the keyboard: Enter goes into the step's panel, Escape back to its card.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (byKey && event.target.id === "inspector") document.getElementById("inspector-name").focus();
    byKey = false;
  });

  document.getElementById("inspector").addEventListener("keydown", (event) => {
    if (event.key === "Escape") run.querySelector(".da-step.sel")?.focus();
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
  const secondsSince = (moment) => Math.max(0, (Date.now() + skew - Date.parse(moment)) / 1000);

  // The timeline goes on between events: the line of now, and every bar that has not ended.
  let drawing = false;
  const goOn = async () => {
    const chart = document.getElementById("timeline");
    if (!chart.dataset.started || drawing) return;
    const elapsed = secondsSince(chart.dataset.started);
    const percent = (elapsed / Number(chart.dataset.total)) * 100_000;
    const line = document.getElementById("now-line");
    line.style.left = `${Math.min(100, percent)}%`;
    line.firstElementChild.textContent = text(elapsed);
    for (const bar of chart.querySelectorAll(".lv")) {
      bar.style.setProperty("--w", Math.max(0, Math.min(100, percent) - Number(bar.style.getPropertyValue("--s"))));
    }
    if (percent <= 100) return;
    drawing = true; // a longer axis is the server's to draw
    await poll(true);
    drawing = false;
  };

  setInterval(() => {
    for (const element of document.querySelectorAll("[data-since]")) element.textContent = text(secondsSince(element.dataset.since));
    for (const element of document.querySelectorAll("[data-until]")) {
      const seconds = Math.ceil((Date.parse(element.dataset.until) - Date.now() - skew) / 1000);
      element.textContent = seconds > 0 ? `in ${seconds} s` : "now";
    }
    if (!ended()) goOn();
  }, 250);

  // The editor frame takes the whole width. Unfold decides about its sidebar when it first measures the window.
  window.addEventListener("load", () => requestAnimationFrame(() => {
    Alpine.$data(document.documentElement).sidebarOpen = false;
  }));

  mark();
  if (ended()) show("Ended", "of");
  else connect();
})();
