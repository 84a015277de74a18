/* A value that is proposed in place of the one in a control: one click takes it, and the control's form stores it. */

import { fill, gettext } from "../shared/i18n.js";

export const proposalButton = (proposal, at) => {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "da-btn tiny", textContent: fill(gettext("Use %(proposal)s"), { proposal }) });
  Object.assign(button.dataset, { proposal, proposalAt: at });
  return button;
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-proposal]");
  const control = button && document.getElementById(button.dataset.proposalAt);
  if (!control) return;
  control.value = button.dataset.proposal;
  control.focus();
  for (const kind of ["input", "change"]) control.dispatchEvent(new Event(kind, { bubbles: true }));
});
