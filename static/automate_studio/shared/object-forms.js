/* Lists and forms of objects: fields that some choices need, a short name after the name, and narrowing a list. */

// data-when="name=value|other name=value": all of them have to hold.
const holds = (form, term) => {
  const [name, values] = term.split("=");
  return values.split("|").includes(form.elements[name]?.value ?? "");
};
document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (!form) return;
  for (const part of form.querySelectorAll("[data-when]")) {
    part.hidden = !part.dataset.when.split(" ").every((term) => holds(form, term));
  }
});

// A short name follows the name until somebody writes it.
const slug = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 90);
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
  const wanted = event.target.value.trim().toLowerCase();
  let found = 0;
  for (const each of document.querySelectorAll(`${narrows} > [data-text]`)) {
    each.hidden = !each.dataset.text.includes(wanted);
    found += each.hidden ? 0 : 1;
  }
  document.querySelector(`${narrows}-none`).hidden = found > 0;
});
