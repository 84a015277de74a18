/* A value that is proposed in place of the one in a control: one click takes it. In the builder, its form stores it then. */

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-proposal]");
  const control = button && document.getElementById(button.dataset.proposalAt);
  if (!control) return;
  control.value = button.dataset.proposal;
  control.focus();
  for (const kind of ["input", "change"]) control.dispatchEvent(new Event(kind, { bubbles: true }));
});
