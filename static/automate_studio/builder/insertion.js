/* How an expression is written at a place of a field: bare in a text, in quotes where JSON wants a value. */

export const JSON_KINDS = new Set(["json", "mapping", "list"]);

const takesJson = (field) => {
  const type = field.closest("[data-row]")?.querySelector("select[name$='::type']");
  return type ? type.value === "json" : field.dataset.code === "json" || JSON_KINDS.has(field.dataset.takesExpression);
};

// Where the text before a place ends: "text" that is no JSON, a JSON "string", or between values of "json".
const contextOf = (field, before) => {
  const text = before.trimStart();
  if (!takesJson(field) || !/^[[{"]/.test(text) || /^\{[{%#]/.test(text)) return "text";
  let isInside = false;
  for (let at = 0; at < text.length; at += 1) {
    if (isInside && text[at] === "\\") at += 1;
    else if (text[at] === '"') isInside = !isInside;
  }
  return isInside ? "string" : "json";
};

export const written = (field, before, expression) => {
  const quoted = JSON.stringify(expression);
  return { text: expression, string: quoted.slice(1, -1), json: quoted }[contextOf(field, before)];
};

// A brace that opens the picker, with what is searched for after it. Between JSON's values it may begin a mapping as well,
// which a quote or a new line tells.
const OPENERS = { text: /\{\{?\s*([^{}|\n]*)$/, string: /\{\{?\s*([^{}|\n"]*)$/, json: /\{\{?[ ]*([\w.$ -]*)$/ };

export const opener = (field, before) => {
  const brace = before.search(/\{\{?[^{}]*$/);
  if (brace < 0) return null;
  const start = takesJson(field) && !before.slice(0, brace).trim() ? "json" : contextOf(field, before.slice(0, brace));
  return OPENERS[start].exec(before);
};
