/* Lists and forms of objects: fields that some choices need, a short name after the name, and narrowing a list. */
import { plainLetters } from "./slugs.js";

// data-when="name=value|other name=value": all of them have to hold. An expression may give any value.
const holds = (form, term) => {
  const [name, values] = term.split("=");
  const value = form.elements[name]?.value ?? "";
  return value.includes("{{") || values.split("|").includes(value);
};
const holdsAll = (form, part) => (part.dataset.when ?? "").split(" ").filter(Boolean).every((term) => holds(form, term));
document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (!form) return;
  for (const part of form.querySelectorAll("[data-when]")) {
    part.hidden = !holdsAll(form, part);
    if (part.localName === "option") offer(part);
  }
});

// An option that is not offered any more gives way to the first one that is, and has its place back when it is offered
// again: unless another one was chosen, or something was written for the one in its place.
const offer = (option) => {
  option.disabled = option.hidden;
  const select = option.closest("select");
  if (option.selected && option.disabled) {
    const first = [...select.options].find((each) => each.value && holdsAll(select.form, each));
    if (!first) return;
    option.dataset.gaveWayTo = first.value;
    choose(select, first);
  } else if (!option.disabled && "gaveWayTo" in option.dataset && !isWrittenFor(select)) {
    const { gaveWayTo } = option.dataset;
    delete option.dataset.gaveWayTo;
    if (select.value === gaveWayTo) choose(select, option);
  }
};
const choose = (select, option) => {
  option.disabled = option.hidden = false;
  select.value = option.value;
  select.dispatchEvent(new Event("change", { bubbles: true }));
};
const isWrittenFor = ({ form, name, value }) =>
  [...form.querySelectorAll(`[data-when~="${CSS.escape(name)}=${CSS.escape(value)}"] :is(input, textarea)`)].some((field) => field.value);

// A short name follows the name until somebody writes it.
const slug = (text) => plainLetters(text).replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 90);
document.addEventListener("input", (event) => {
  const field = event.target;
  if (field.dataset.slugOf) field.dataset.own = field.value ? "1" : "";
  const follower = field.form?.querySelector(`[data-slug-of="${field.name}"]`);
  if (follower && !follower.dataset.own) follower.value = slug(field.value);
});

// The apps to choose from, narrowed while one types.
document.addEventListener("input", (event) => {
  const { narrows } = event.target.dataset;
  if (!narrows) return;
  const words = event.target.value.toLowerCase().split(/\s+/);
  let found = 0;
  for (const each of document.querySelectorAll(`${narrows} > [data-text]`)) {
    each.hidden = !words.every((word) => each.dataset.text.includes(word));
    found += each.hidden ? 0 : 1;
  }
  document.querySelector(`${narrows}-none`).hidden = found > 0;
});
