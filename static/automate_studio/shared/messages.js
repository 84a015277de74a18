/* Messages that go by themselves: one whose time is over, or that somebody closes, is taken out of the page. */
document.addEventListener("animationend", (event) => {
  if (event.animationName === "da-toast") event.target.remove();
});
document.addEventListener("click", (event) => event.target.closest("[data-close-message]")?.closest(".da-toast, .da-said").remove());
