// Texts that people see, without what is marked, and marked texts that are cut off.
(() => {
  const IGNORED = "code, pre, kbd, svg, script, style, template, bdi, time, textarea, option[value], .mono, [translate=no], .material-symbols-outlined, .icon, .cm-editor";
  const ATTRIBUTES = ["title", "aria-label", "placeholder", "alt", "aria-description"];
  const isShown = (element) => element.checkVisibility({ checkOpacity: false, checkVisibilityCSS: true });
  const bare = (text) => {
    let depth = 0;
    let rest = "";
    for (const letter of text) {
      if (letter === "⟦") depth += 1;
      else if (letter === "⟧") depth -= 1;
      else if (depth === 0) rest += letter;
    }
    return rest;
  };
  // Text nodes of one message with markup inside lie between brackets of the whole block.
  const inBrackets = (node) => {
    for (let element = node.parentElement, steps = 0; element && steps < 4; element = element.parentElement, steps += 1) {
      const text = element.textContent;
      const at = text.indexOf(node.textContent.trim());
      if (at < 0) return false;
      let depth = 0;
      for (const letter of text.slice(0, at)) depth += letter === "⟦" ? 1 : letter === "⟧" ? -1 : 0;
      if (depth > 0) return true;
    }
    return false;
  };
  window.unmarkedTexts = () => {
    const found = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      const text = bare(node.textContent).trim();
      if (/[A-Za-z]{3}/.test(text) && !element.closest(IGNORED) && isShown(element) && !inBrackets(node)) found.add(text.replace(/\s+/g, " "));
    }
    for (const element of document.body.querySelectorAll(ATTRIBUTES.map((name) => `[${name}]`).join())) {
      if (element.closest(IGNORED) || !isShown(element)) continue;
      for (const name of ATTRIBUTES) {
        const text = bare(element.getAttribute(name) ?? "").trim();
        if (/[A-Za-z]{3}/.test(text)) found.add(`${name}: ${text}`);
      }
    }
    return [...found];
  };
  // Numbers for the browser have a point, whatever the language.
  const NUMERIC = ["style", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "cx", "cy", "r", "rx", "min", "max", "step"];
  window.localisedNumbers = () =>
    [...document.body.querySelectorAll(NUMERIC.map((name) => `[${name}]`).join())].flatMap((element) =>
      NUMERIC.filter((name) => /^[^(]*\d,\d/.test(element.getAttribute(name) ?? "")).map((name) => `${element.localName} ${name}=${element.getAttribute(name)}`),
    );
  // Names of rows whose other columns left them no room: cut after a few letters, or broken into many lines.
  window.squeezedNames = () =>
    [...document.body.querySelectorAll("td.column-name a.strong, td.column-name a.medium, .da-row-link")]
      .filter((link) => isShown(link) && link.offsetWidth < 96)
      .filter((link) => link.scrollWidth > link.clientWidth + 1 || link.getClientRects().length > 2 || link.offsetHeight > 60)
      .map((link) => link.textContent.trim());
  window.clippedTexts = () =>
    [...document.body.querySelectorAll("button, a, label, h1, h2, h3, th, td, legend, p, span, summary, li, dt, dd, b, div")]
      .filter((element) => {
        const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.includes("⟦"));
        if (!own || !isShown(element) || element.closest(".visually-hidden, .sr-only, [role=treeitem], header")) return false;
        const style = getComputedStyle(element);
        const hides = style.overflowX === "hidden" || style.overflowX === "clip";
        return hides && element.scrollWidth > element.clientWidth + 1 && !element.title && !element.closest("[title]");
      })
      .map((element) => element.textContent.trim().replace(/\s+/g, " "));
})();
