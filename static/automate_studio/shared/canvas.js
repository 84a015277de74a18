/* A canvas of steps: its zoom, and left and right among its cards. The zoom is the canvas's, so that a new tree drawn
   inside keeps it. At first the whole width fits; in the builder only as far as cards can be read and dragged. What is
   only looked at fits again when the window changes, until a person has chosen a zoom. */
import { focusOn } from "./roving.js";

const AROUND = ".da-canvas, .da-canvas-card";

const zoomTo = (canvas, factor) => {
  const zoom = Math.min(1.5, Math.max(0.5, Math.round(factor * 20) / 20));
  canvas.style.setProperty("--zoom", zoom);
  const shown = canvas.parentElement.querySelector(".da-zoom .zoom-level");
  if (shown) shown.textContent = `${Math.round(zoom * 100)}%`;
};

const zoomed = (canvas) => Number(canvas.style.getPropertyValue("--zoom") || 1);

const isEdited = (canvas) => canvas.closest(".da-build") !== null;

const fit = (canvas, least = 0.5) => {
  const factor = () => canvas.clientWidth / canvas.querySelector(".da-flow").scrollWidth;
  canvas.style.setProperty("--zoom", 1);
  canvas.classList.remove("narrow");
  canvas.classList.toggle("narrow", !isEdited(canvas) && factor() < 0.75); // narrower cards are larger ones in the end
  zoomTo(canvas, Math.min(1, Math.max(least, Math.floor(factor() * 20) / 20)));
  canvas.scrollLeft = (canvas.scrollWidth - canvas.clientWidth) / 2;
};

const zoom = (button) => {
  const canvas = button.closest(AROUND).querySelector(".da-viewport");
  const step = Number(button.dataset.zoom);
  canvas.toggleAttribute("data-zoomed", step !== 0);
  if (step) zoomTo(canvas, zoomed(canvas) + step * 0.1);
  else fit(canvas);
};

window.addEventListener("load", () => document.querySelectorAll(".da-viewport").forEach((canvas) => fit(canvas, isEdited(canvas) ? 0.85 : 0.5)));

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zoom]");
  if (button) zoom(button);
});

// Zoom by keys while the canvas or a card has the focus, and by the wheel over it.
document.addEventListener("keydown", (event) => {
  const canvas = event.target.closest(AROUND);
  const step = { "+": "1", "=": "1", "-": "-1", 0: "0" }[event.key];
  if (!canvas || step === undefined || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  zoom(canvas.querySelector(`[data-zoom="${step}"]`));
});
for (const canvas of document.querySelectorAll(".da-viewport")) {
  let width = canvas.clientWidth; // what is in the middle stays there when the canvas gets wider or narrower
  new ResizeObserver(() => {
    if (canvas.clientWidth === width) return;
    canvas.scrollLeft += (width - canvas.clientWidth) / 2;
    width = canvas.clientWidth;
    if (width && !isEdited(canvas) && !canvas.hasAttribute("data-zoomed")) fit(canvas);
  }).observe(canvas);
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    canvas.toggleAttribute("data-zoomed", true);
    zoomTo(canvas, zoomed(canvas) + (event.deltaY < 0 ? 0.1 : -0.1));
  }, { passive: false });
}

// Left and right: the same step in the way beside, or beside what holds it.
const CARDS = ":scope > [role=treeitem], :scope > .da-empty > [role=treeitem]"; // an empty way is entered, too
const beside = (card, by) => {
  for (let arm = card.closest(".da-arm"); arm; arm = arm.parentElement.closest(".da-arm")) {
    const own = [...arm.querySelectorAll(CARDS)];
    const at = Math.max(0, own.findIndex((each) => each === card || each.nextElementSibling?.nextElementSibling?.contains(card)));
    for (let next = arm; (next = by > 0 ? next.nextElementSibling : next.previousElementSibling);) {
      const found = [...next.querySelectorAll(CARDS)];
      if (found.length) return found[Math.min(at, found.length - 1)];
    }
  }
  return null;
};

document.addEventListener("keydown", (event) => {
  const card = event.target.closest(".da-viewport [role=treeitem]");
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!card || !by || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const next = beside(card, by);
  if (next?.checkVisibility()) focusOn(next);
});
