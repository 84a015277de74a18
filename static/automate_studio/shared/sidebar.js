/* A page that takes the whole width: Unfold's sidebar is shut at first, and opened by the page's own button. */

const frame = () => Alpine.$data(document.documentElement);

// Unfold decides about its sidebar when it first measures the window.
if (document.querySelector("[data-sidebar]")) {
  window.addEventListener("load", () => requestAnimationFrame(() => { frame().sidebarOpen = false; }));
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-sidebar]")) frame().sidebarToggle();
});

// On a narrow page the open sidebar lies over it. A press beside it closes it, and does nothing to what lies there.
document.addEventListener("click", (event) => {
  const sidebar = document.getElementById("nav-sidebar");
  if (!event.detail || innerWidth > 1280 || !sidebar?.checkVisibility()) return;
  if (sidebar.contains(event.target) || event.target.closest("[role=dialog], dialog, [popover]")) return;
  event.preventDefault();
  event.stopPropagation();
  frame().sidebarOpen = false;
}, { capture: true });

// Unfold's menu of the person at its bottom closes by a click elsewhere alone.
document.addEventListener("keydown", (event) => {
  const menu = document.querySelector("[x-data*=openUserLinks]");
  if (event.key === "Escape" && menu) Alpine.$data(menu).openUserLinks = false;
});
