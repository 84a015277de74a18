/* The theme that the person chose in Unfold's menu, where there is one. */
try {
  const theme = JSON.parse(localStorage.getItem("adminTheme"));
  if (["light", "dark"].includes(theme)) document.documentElement.classList.add(theme);
} catch {
  // Without storage, the page follows the system.
}
