/* The reference of the API: finds operations, and sends requests with the token of the page. */

const page = document.querySelector("[data-reference]");
const token = page.querySelector("[data-token]");

// The request that a form describes: {method, address, headers, body}.
const requestOf = (form) => {
  const [method, path] = form.closest("[data-operation]").dataset.operation.split(" ");
  const query = new URLSearchParams();
  const headers = {};
  let address = path;
  for (const input of form.querySelectorAll("[data-place]")) {
    const { place, name } = input.dataset;
    const value = input.value.trim();
    if (place === "path") address = address.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && place === "query") query.append(name, value);
    else if (value) headers[name] = value;
  }
  if (query.size) address += `?${query}`;
  const body = form.querySelector("[data-body]")?.value;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return { method, address, headers, body };
};

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const curlCommand = ({ method, address, headers, body }) => {
  const parts = [`curl -X ${method} ${quoted(location.origin + address)}`, '-H "Authorization: Bearer $AUTOMATE_TOKEN"'];
  for (const [name, value] of Object.entries(headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) parts.push(`-d ${quoted(body)}`);
  return parts.join(" \\\n  ");
};

const readable = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

const say = (form, text) => {
  const shown = form.querySelector("[data-answer]");
  shown.textContent = text;
  shown.hidden = false;
};

const send = async (form) => {
  const { method, address, headers, body } = requestOf(form);
  const authorization = { Authorization: `Bearer ${token.value.trim()}` };
  const said = form.querySelector("[data-answer]").dataset;
  const options = { method, body, credentials: "omit" };
  try {
    options.headers = new Headers({ ...headers, ...authorization });
  } catch {
    say(form, said.unsent);
    return;
  }
  try {
    const answer = await fetch(address, options);
    const type = answer.headers.get("Content-Type") ?? "";
    if (type.startsWith("text/event-stream")) {
      say(form, `${answer.status} ${answer.statusText}\n${type}`);
      await answer.body.cancel();
      return;
    }
    say(form, `${answer.status} ${answer.statusText}\n\n${readable(await answer.text())}`);
  } catch {
    say(form, said.failed);
  }
};

const find = (words) => {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  let matches = 0;
  for (const group of page.querySelectorAll("[data-group]")) {
    let shown = 0;
    for (const operation of group.querySelectorAll("[data-operation]")) {
      const text = operation.querySelector("summary").textContent.toLowerCase();
      operation.hidden = !wanted.every((word) => text.includes(word));
      shown += operation.hidden ? 0 : 1;
    }
    group.hidden = !shown;
    matches += shown;
  }
  page.querySelector("[data-none]").hidden = matches > 0;
};

page.addEventListener("input", (event) => {
  if (event.target.matches("[data-find]")) find(event.target.value);
});
page.addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.target);
});
page.addEventListener("click", (event) => {
  const form = event.target.closest("[data-curl]")?.form;
  if (form) say(form, curlCommand(requestOf(form)));
});

// A link to an operation opens it.
const linked = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
if (linked) linked.open = true;
