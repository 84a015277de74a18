/* Messages at the cells of rows. The server sends them at the field (data-cells), since rows are not drawn while somebody
   types in them; here each is put below its control. */

import { proposalButton } from "./proposals.js";

const inspector = document.getElementById("inspector");

// A row without any text is not stored, so that it is not counted.
const isStored = (row) => [...row.querySelectorAll("input:not([type=hidden]), textarea")].some((control) => control.value.trim());

const wanted = (why, set) => {
  const rows = [...set.querySelectorAll(":scope > .da-rowset-body > [data-row]")].filter(isStored);
  const found = new Map(); // by cell: its message
  for (const said of JSON.parse(why.dataset.cells ?? "[]")) {
    const cell = rows[said.row]?.querySelector(`[data-cell="${CSS.escape(said.column)}"]`);
    if (cell) found.set(cell, said);
  }
  return found;
};

const put = (cell, said, id) => {
  const control = cell.querySelector("input, select, textarea");
  let text = cell.querySelector(":scope > .da-help");
  const isWrong = said?.level === "error";
  if (!said) {
    if (!text) return;
    text.remove();
    control.removeAttribute("aria-invalid");
    control.removeAttribute("aria-describedby");
    control.closest(".da-input")?.classList.remove("error", "warn");
    return;
  }
  if (text?.dataset.said === said.text) return;
  text ??= cell.appendChild(document.createElement("p"));
  text.dataset.said = said.text;
  Object.assign(text, { id, textContent: said.text, className: `da-help ${isWrong ? "error" : "warn"}` });
  if (said.proposals?.length) control.id ||= `${id}-control`;
  text.append(...(said.proposals ?? []).map((proposal) => proposalButton(proposal, control.id)));
  text.setAttribute("role", isWrong ? "alert" : "status");
  control.setAttribute("aria-describedby", id);
  control.toggleAttribute("aria-invalid", isWrong);
  if (isWrong) control.setAttribute("aria-invalid", "true");
  control.closest(".da-input")?.classList.add(isWrong ? "error" : "warn");
};

export const markCells = () => {
  for (const why of inspector.querySelectorAll(".da-help[id$='-why']")) {
    const set = why.closest(".da-field")?.querySelector(".da-rowset");
    if (!set) continue;
    const found = wanted(why, set);
    const cells = [...set.querySelectorAll(":scope > .da-rowset-body [data-cell]")];
    for (const [number, cell] of cells.entries()) put(cell, found.get(cell), `${set.id}-cell-${number}`);
  }
};
