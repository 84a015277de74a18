/* What a person sees of a page's layout: controls that something covers, texts and controls that lie over one another,
   cards of a canvas that are cut off. Each gives what is wrong in words. */
(() => {
  "use strict";
  const CONTROLS = "a[href], button, input, select, textarea, summary, [role=button], [role=tab]";
  const isSeen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const isClipping = (style) => /auto|scroll|hidden|clip/.test(style.overflowX + style.overflowY);
  const named = (element) => (element.innerText || element.ariaLabel || element.name || element.className || element.tagName).toString().trim().replace(/\s+/g, " ").slice(0, 40);

  // What is left of a box within all that cuts it off; null when that is nothing.
  const visiblePart = ({ left, top, right, bottom }, element) => {
    for (let around = element; around; around = around.parentElement) {
      const style = getComputedStyle(around);
      if (style.clipPath !== "none" || style.display === "none") return null;
      if (isClipping(style)) {
        const edge = around.getBoundingClientRect();
        [left, right] = [Math.max(left, edge.left), Math.min(right, edge.right)];
        [top, bottom] = [Math.max(top, edge.top), Math.min(bottom, edge.bottom)];
      }
      if (style.position === "fixed") break;
    }
    return right - left > 2 && bottom - top > 2 ? { left, top, right, bottom } : null;
  };

  // Whether something opaque that is meant to lie over others holds the element: a menu, a bar that sticks.
  const isLayered = (element, until) => {
    for (let each = element; each !== until; each = each.parentElement) {
      const { position, backgroundColor, zIndex } = getComputedStyle(each);
      const isOver = /sticky|fixed|absolute/.test(position) || (position === "relative" && zIndex !== "auto");
      if (isOver && backgroundColor !== "rgba(0, 0, 0, 0)") return true;
    }
    return false;
  };

  const holderOf = (one, other) => {
    let holder = one;
    while (!holder.contains(other)) holder = holder.parentElement;
    return holder;
  };

  const overlapping = (boxes) => {
    const found = [];
    boxes.sort((a, b) => a.top - b.top);
    boxes.forEach((a, at) => {
      for (let next = at + 1; next < boxes.length && boxes[next].top < a.bottom - 3; next++) {
        const b = boxes[next];
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        if (across < 3 || Math.min(a.bottom, b.bottom) - b.top < 4 || a.of.contains(b.of) || b.of.contains(a.of)) continue;
        const holder = holderOf(a.of, b.of);
        if (!isLayered(a.of, holder) && !isLayered(b.of, holder)) found.push(`${a.text} | ${b.text}`);
      }
    });
    return [...new Set(found)];
  };

  const textOverText = () => {
    const boxes = [];
    const range = document.createRange();
    for (const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); walker.nextNode();) {
      const { currentNode: node } = walker;
      const of = node.parentElement;
      if (!node.data.trim() || /^(SCRIPT|STYLE|NOSCRIPT|OPTION)$/.test(of.tagName) || !isSeen(of)) continue;
      range.selectNodeContents(node);
      for (const line of range.getClientRects()) {
        const box = visiblePart(line, of);
        if (box) boxes.push({ ...box, of, text: node.data.trim().slice(0, 40) });
      }
    }
    return overlapping(boxes);
  };

  const controlOverControl = () => {
    const boxes = [];
    for (const of of document.querySelectorAll(CONTROLS)) {
      const box = isSeen(of) && visiblePart(of.getBoundingClientRect(), of.parentElement);
      if (box) boxes.push({ ...box, of, text: named(of) });
    }
    return overlapping(boxes);
  };

  const cutCards = () => [...document.querySelectorAll(".da-viewport")].filter(isSeen).flatMap((canvas) => {
    const { left } = canvas.getBoundingClientRect();
    return [...canvas.querySelectorAll(".da-step")].filter((card) => {
      const box = card.getBoundingClientRect();
      return box.left < left - 1 || box.right > left + canvas.clientWidth + 1;
    }).map(named);
  });

  // Controls whose middle, once scrolled to, is under something else: a click there would not reach them.
  const covered = (root = document) => {
    const found = [];
    for (const control of root.querySelectorAll(CONTROLS)) {
      if (control.disabled || control.closest("[hidden], [inert]") || !isSeen(control)) continue;
      control.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
      const box = control.getClientRects()[0];
      if (!box || box.width < 4 || box.height < 4 || getComputedStyle(control).pointerEvents === "none") continue;
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
      if (!visiblePart({ left: x - 2, top: y - 2, right: x + 2, bottom: y + 2 }, control.parentElement)) continue;
      const hit = document.elementFromPoint(x, y);
      const isReached = hit && (control.contains(hit) || [...(control.labels ?? [])].some((label) => label.contains(hit)));
      if (!isReached && x >= 0 && y >= 0 && x < innerWidth && y < innerHeight) found.push(`${named(control)} under ${hit?.tagName} ${hit?.className}`);
    }
    scrollTo(0, 0);
    return found;
  };

  // The dialogs that a button of the page opens, one after the other: [name, faults].
  const dialogs = () => {
    const names = [...document.querySelectorAll("[command=show-modal]")].map((opener) => opener.getAttribute("commandfor"));
    return [...new Set(names)].map((name) => document.getElementById(name)).filter(Boolean).map((dialog) => {
      dialog.showModal();
      const { left, right } = dialog.getBoundingClientRect();
      const faults = [...covered(dialog), ...(left < -1 || right > innerWidth + 1 ? [`from ${left} to ${right}`] : [])];
      dialog.close();
      return [dialog.id, faults];
    });
  };

  const sideways = () => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth > clientWidth ? [`${scrollWidth - clientWidth} px`] : [];
  };

  // Controls of the builder's panel that are cut off at its right edge, or reach out of it.
  const cutInPanel = () => [...document.querySelectorAll(".da-panel-body")].filter(isSeen).flatMap((panel) => {
    const right = panel.getBoundingClientRect().left + panel.clientWidth;
    return [...panel.querySelectorAll(CONTROLS)].filter((control) => isSeen(control) && control.getBoundingClientRect().right > right + 1).map(named);
  });

  // Names that the font of icons writes as words: it has none of them.
  const noIcons = (names) => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = '20px "Material Symbols Outlined"';
    return names.filter((name) => Math.round(pen.measureText(name).width) !== 20);
  };
  const words = () => noIcons([...document.querySelectorAll(".icon, [data-icon]")].map((each) => each.dataset.icon ?? each.className));

  window.layout = { noIcons, words, cutInPanel, textOverText, controlOverControl, cutCards, covered, dialogs, sideways };
})();
