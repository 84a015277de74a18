/* A page that takes the whole width: Unfold's sidebar is shut at first, and opened by the page's own button. */

const frame = () => Alpine.$data(document.documentElement);

// Unfold decides about its sidebar when it first measures the window.
if (document.querySelector("[data-sidebar]")) {
  window.addEventListener("load", () => requestAnimationFrame(() => { frame().sidebarOpen = false; }));
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-sidebar]")) frame().sidebarToggle();
});

// Unfold's menu of the person at its bottom closes by a click elsewhere alone.
document.addEventListener("keydown", (event) => {
  const menu = document.querySelector("[x-data*=openUserLinks]");
  if (event.key === "Escape" && menu) Alpine.$data(menu).openUserLinks = false;
});
