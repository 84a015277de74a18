/* The menu of a token: its format, what is used where it is missing, and the value to use otherwise. */
import { fill, gettext } from "../shared/i18n.js";
import { openMenu } from "../shared/menus.js";
import { open as openPicker } from "./data.js";
import { named, parse } from "./expressions.js";
import { of } from "./field-editors.js";

// Numbers are written as in the language of the page.
const LANGUAGE = document.documentElement.lang.split("-")[0];
const DECIMALS = LANGUAGE === "en" || !LANGUAGE ? "number(2)" : `number(2, locale='${LANGUAGE}')`;
const FORMATS = [
  [gettext("Unformatted"), ""], [gettext("Date"), "date"], [gettext("Date and time"), "date('%Y-%m-%d %H:%M')"], [gettext("Time"), "time"], [gettext("Two decimals"), DECIMALS],
  [gettext("Number"), "to_number"], [gettext("Upper case"), "upper"], [gettext("Lower case"), "lower"], [gettext("Trim spaces"), "trim"], [gettext("First 80 characters"), "truncate(80)"],
  [gettext("Count"), "length"], [gettext("Joined with commas"), "join(', ')"],
];

const expression = (names, filters) => `{{ ${[names.length > 1 ? `first(${names.join(", ")})` : names[0], ...filters].join(" | ")} }}`;

const open = (editor, token, start) => {
  const raw = token.dataset.raw;
  const { names, filters } = parse(raw);
  const kept = filters.filter((filter) => filter.startsWith("default"));
  const format = filters.find((filter) => !filter.startsWith("default")) ?? "";
  const write = (text) => {
    if (editor.raw.slice(start, start + raw.length) !== raw) return; // it was edited meanwhile
    editor.focus();
    editor.replace(start, start + raw.length, text);
  };
  const list = document.createElement("div");
  list.className = "da-menu da-token-menu";
  list.popover = "auto";
  list.setAttribute("role", "menu");
  list.setAttribute("aria-label", fill(gettext("Format of %(value)s"), { value: token.textContent }));
  const offer = (label, on, act, role = "menuitemradio") => {
    const item = document.createElement("button");
    item.type = "button";
    item.className = "da-menu-item";
    item.tabIndex = -1;
    item.setAttribute("role", role);
    if (role !== "menuitem") item.setAttribute("aria-checked", on);
    item.textContent = label;
    item.addEventListener("click", () => { list.hidePopover(); act(); });
    list.append(item);
  };
  for (const [label, filter] of FORMATS) offer(label, filter === format, () => write(expression(names, [...kept, ...(filter ? [filter] : [])])));
  list.append(Object.assign(document.createElement("hr"), { className: "da-menu-line" }));
  offer(gettext("If missing: use another value…"), false, () => chooseOther(editor, start + raw.length, (other) => write(expression([...names, ...other.names], [...(kept.length ? kept : other.kept), ...(format ? [format] : [])]))), "menuitem");
  if (names.length > 1) offer(fill(gettext("Use only %(value)s"), { value: named(names[0]).label }), false, () => write(expression(names.slice(0, 1), filters)), "menuitem");
  offer(gettext("If missing: empty"), kept.length > 0, () => write(expression(names, [...(kept.length ? [] : ["default('')"]), ...(format ? [format] : [])])), "menuitemcheckbox");
  offer(gettext("Remove"), false, () => write(""), "menuitem");
  list.addEventListener("toggle", ({ newState }) => {
    if (newState === "open") return;
    list.remove();
    if (document.activeElement === document.body) editor.focus();
  });
  document.getElementById("builder").append(list);
  const place = token.getBoundingClientRect();
  openMenu(list, { left: place.left, top: place.top - 4, bottom: place.bottom + 4 });
};

// The picker, for one value more: a default that comes with it is the whole expression's.
const chooseOther = (editor, caret, use) => openPicker({
  field: editor.field,
  picksOne: true,
  title: gettext("If missing, use"),
  caret: { start: caret, end: caret },
  focus: () => editor.focus(),
  replace: (start, end, text) => {
    const found = parse(text);
    if (found) use({ names: found.names, kept: found.filters.filter((filter) => filter.startsWith("default")) });
  },
});

document.addEventListener("automate:token", ({ target, detail }) => open(of(target), target, detail.start));
