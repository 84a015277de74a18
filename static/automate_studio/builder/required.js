/* What is not filled in is asked for at first. It is complained about once its field was left empty, or when somebody comes
   from a list of problems. */

const inspector = document.getElementById("inspector");
const left = new Set(); // "path id" of a field, "path *" for all of a step

const path = () => inspector.querySelector("[data-inspected]")?.dataset.inspected ?? "";

// A complaint takes room: while a pointer is down, what it is over would move away from the click.
let isPressed = false;
addEventListener("pointerdown", () => { isPressed = true; }, true);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { isPressed = false; setTimeout(complain); }, true);

const complain = () => {
  if (isPressed) return;
  const here = path();
  for (const why of inspector.querySelectorAll("[data-missing]:not([role])")) {
    if (!left.has(`${here} *`) && !left.has(`${here} ${why.id}`)) continue;
    why.classList.add(why.dataset.missing === "error" ? "error" : "warn");
    why.setAttribute("role", why.dataset.missing === "error" ? "alert" : "status");
    why.querySelector(".da-asked").hidden = true;
    why.querySelector(".da-complaint").hidden = false;
  }
};

// A condition is not filled in while one of its rows is about nothing, or compares with nothing.
const rowsOf = (field) => [...field.querySelectorAll(".da-condition-row :is(input[name$='field'], input[name$='value'])")];
const isEmpty = (field) => rowsOf(field).length ? rowsOf(field).some((row) => !row.value.trim()) : [...field.querySelectorAll("input:not([type=hidden]), textarea, select")].every((control) => !control.value.trim());

inspector.addEventListener("focusout", (event) => {
  const field = event.target.closest(".da-field, .da-condition");
  const why = field?.querySelector("[data-missing]");
  const isAtIt = field?.contains(event.relatedTarget) || event.relatedTarget?.closest?.("#picker, #options, dialog, .da-menu");
  const isRedrawn = !event.relatedTarget && event.target.closest("button"); // as by `Add row`, which brings an empty row
  if (!why || !field.isConnected || isAtIt || isRedrawn || !isEmpty(field)) return;
  left.add(`${path()} ${why.id}`);
  complain();
});

document.addEventListener("click", (event) => {
  const problem = event.target.closest("[data-problem]")?.dataset.problem;
  if (problem === undefined) return;
  left.add(`${problem} *`);
  complain();
}, true);

if (new URLSearchParams(location.search).has("complain")) left.add(`${path()} *`);
new MutationObserver(complain).observe(inspector, { childList: true, subtree: true, attributeFilter: ["role", "class"] });
complain();
