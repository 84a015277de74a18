/* The name of a form's field in expressions: it follows the label of a new field until somebody edits it. */
import { plainLetters } from "../shared/slugs.js";

const inspector = document.getElementById("inspector");
const cell = (row, name) => row.querySelector(`[data-cell="${name}"] input`);

const nameOf = (label) => plainLetters(label)
  .replace(/[^a-z0-9]+/g, "_").replace(/^[^a-z]+|_+$/g, "").slice(0, 60);

// A name of its own among the fields of the form.
const free = (name, row) => {
  const taken = new Set([...row.parentElement.children].filter((other) => other !== row).map((other) => cell(other, "name")?.value));
  let found = name;
  for (let number = 2; taken.has(found); number += 1) found = `${name}_${number}`;
  return found;
};

inspector.addEventListener("input", (event) => {
  const row = event.target.closest(".da-record[data-row]");
  const [label, name] = row ? [cell(row, "label"), cell(row, "name")] : [];
  if (!label || !name) return;
  if (event.target !== label || (name.value && row.dataset.follows !== name.value)) return;
  name.value = label.value.trim() ? free(nameOf(label.value) || "field", row) : "";
  row.dataset.follows = name.value;
}, true); // before the form is sent
