/* The keys of a dialog with a search field above a list of offers: the palette and the functions. */

// Arrows go between the field and the offers that are shown, Enter in the field takes the first, and a letter goes on searching.
export const listenToOfferKeys = (dialog) => {
  dialog.addEventListener("keydown", (event) => {
    const field = dialog.querySelector("input");
    const shown = [...dialog.querySelectorAll(".da-offer")].filter((offer) => offer.offsetParent);
    const at = shown.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (event.key === "Escape") { event.preventDefault(); dialog.close(); } // a search field would be emptied first
    else if (to !== undefined && (at >= 0 || event.key.startsWith("Arrow"))) {
      event.preventDefault();
      (to < 0 ? field : shown[Math.min(shown.length - 1, to)])?.focus();
    } else if (event.key === "Enter" && at < 0) {
      event.preventDefault();
      shown[0]?.click();
    } else if (at >= 0 && event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey) {
      field.focus(); // typing goes on searching
    }
  });
};
