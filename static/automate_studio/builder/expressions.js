/* Expressions in a text, and which of them are tokens: a name, or `first(a, b)`, and its formats. */

const TEXT = `'(?:[^'\\\\]|\\\\.)*'|"(?:[^"\\\\]|\\\\.)*"`;
export const EXPRESSION = new RegExp(`\\{\\{(?:${TEXT}|(?!\\}\\})[^'"])*\\}\\}`, "g");
const NAME = `(?:event|steps|item|index|vars|run|error|callbacks)(?:\\.[A-Za-z_]\\w*|\\[(?:\\d+|${TEXT})\\])*`;
const FILTERS = `((?:\\|\\s*\\w+\\s*(?:\\((?:${TEXT}|[^()'"])*\\))?\\s*)*)`;
const REFERENCE = new RegExp(`^\\s*(?:(${NAME})|first\\(\\s*(${NAME}(?:\\s*,\\s*${NAME})+)\\s*\\))\\s*${FILTERS}$`);
const FILTER = new RegExp(`\\|\\s*(\\w+\\s*(?:\\((?:${TEXT}|[^()'"])*\\))?)`, "g");

// {names, filters}, of `first(a, b)` all its names; null for an expression that is more than that: it stays text.
export const parse = (raw) => {
  const found = REFERENCE.exec(raw.slice(2, -2).replace(/^-|-$/g, " "));
  return found && { names: (found[1] ?? found[2]).match(new RegExp(NAME, "g")), filters: [...found[3].matchAll(FILTER)].map((each) => each[1].trim()) };
};

export const tokensIn = (text) => [...text.matchAll(EXPRESSION)].filter(([raw]) => parse(raw)).map(({ 0: raw, index }) => ({ raw, start: index, end: index + raw.length }));

export const rootOf = (name) => /^\w+/.exec(name)[0];

export const cardOf = (key) => document.querySelector(`.da-flow [data-key="${CSS.escape(key)}"]`);

export const named = (whole) => {
  const root = rootOf(whole);
  const rest = whole.slice(root.length);
  const path = rest.replace(/^\./, "");
  if (root === "event" && path.startsWith("payload")) return { label: path.slice(7).replace(/^\./, "") || "payload" };
  if (root === "vars" && path) return { label: path };
  if (root !== "steps") return { label: path && root !== "item" ? `${root} ${path}` : root + rest };
  const [, key, more] = /^(\w+)(.*)$/.exec(path) ?? [null, "", ""];
  const card = key && cardOf(key);
  const name = card?.querySelector(".name")?.textContent.trim() || key;
  const inner = more.replace(/^\.output/, "").replace(/^\./, "");
  return { label: inner ? `${name}: ${inner}` : name, lost: !card };
};
