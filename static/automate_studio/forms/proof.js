// Before the widget asks for it: its worker by the URL that static files have here, and its words in the page's language.
(() => {
  const script = document.currentScript;
  $altcha.algorithms.set("PBKDF2/SHA-256", () => new Worker(script.dataset.worker));
  $altcha.i18n.set(document.documentElement.lang, { ...$altcha.i18n.get("en"), ...JSON.parse(script.dataset.words) });
})();
