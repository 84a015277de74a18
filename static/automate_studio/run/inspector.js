/* The panel of a step: what stays as it is when the panel is drawn anew, and its address. */

const inspector = document.getElementById("inspector");

// Drawn anew, a part that says it is the same is left alone: what is opened, searched or typed in it stays.
Idiomorph.defaults.callbacks.beforeNodeMorphed = (before, after) => {
  const keep = before.dataset?.keep;
  if (!keep || keep !== after.dataset?.keep) return true;
  before.hidden = after.hidden;
  return false;
};

// The address names the open tabs, so that it can be handed on.
const tabs = () => [...inspector.querySelectorAll("[role=tab].current")].map((tab) => tab.dataset.tab).join(",");
inspector.addEventListener("da:tab", () => {
  const address = new URL(location.href);
  address.searchParams.set("tab", tabs());
  history.replaceState(history.state, "", `?${decodeURIComponent(address.searchParams)}`);
});

// After something was done the focus is not lost: it goes to the panel's heading.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "inspector" && document.activeElement === document.body && event.detail.requestConfig?.verb === "post") {
    document.getElementById("inspector-name").focus();
  }
});

// Choosing a step in the dialog chooses to start from it.
document.addEventListener("change", (event) => {
  const checks = event.target.dataset.checks;
  if (checks) event.target.form.querySelector(`input[type=radio][value="${checks}"]`).checked = true;
});

// The dialog starts with the step that is looked at, and with what was refused last.
document.getElementById("rerun-open")?.addEventListener("htmx:configRequest", (event) => {
  event.detail.parameters.step = new URLSearchParams(location.search).get("step") ?? document.getElementById("run").dataset.selected;
});

// What waits for the reader may appear while they look: the run's state may be the same before and after.
const asks = document.getElementById("run-asks");
const waits = () => {
  const waiting = document.querySelectorAll("#run [data-path][data-st=waiting]");
  return [document.querySelector("#run-state .da-status").dataset.st, ...[...waiting].map((each) => each.dataset.path)].join(" ");
};
let known = waits();
document.addEventListener("htmx:oobAfterSwap", () => {
  if (waits() === known) return;
  known = waits();
  htmx.trigger(asks, "da:state");
});
