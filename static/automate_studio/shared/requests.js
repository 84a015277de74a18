/* Settings of htmx, and forms that are sent once. */

// Answers that carry a form or the other person's change are shown; other errors are not swapped in.
htmx.config.responseHandling.unshift({ code: "(409|422)", swap: true });
htmx.config.selfRequestsOnly = true;
htmx.config.historyCacheSize = 0;
htmx.config.scrollIntoViewOnBoost = false; // a filter changes what is below it, and stays where it is

// A double click means it once: what htmx or a page's own script sends has its own ways.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
  const clicked = event.submitter ?? form; // another button of the form is another request
  if (Date.now() - Number(clicked.dataset.sent ?? 0) < 1500) event.preventDefault();
  clicked.dataset.sent = Date.now();
});
