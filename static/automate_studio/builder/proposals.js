/* A value that is proposed in place of the one in a control: one click takes it, and the control's form stores it. */

import "../shared/proposals.js";
import { fill, gettext } from "../shared/i18n.js";

export const proposalButton = (proposal, at) => {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "da-btn tiny", textContent: fill(gettext("Use %(proposal)s"), { proposal }) });
  Object.assign(button.dataset, { proposal, proposalAt: at });
  return button;
};
