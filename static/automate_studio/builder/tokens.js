/* Expressions in text fields as tokens: a name, or `first(a, b)`, and its formats. The field itself, hidden meanwhile, keeps the text that is saved. */

const TEXT = `'(?:[^'\\\\]|\\\\.)*'|"(?:[^"\\\\]|\\\\.)*"`;
export const EXPRESSION = new RegExp(`\\{\\{(?:${TEXT}|(?!\\}\\})[^'"])*\\}\\}`, "g");
const NAME = `(?:event|steps|item|index|vars|run|error|callbacks)(?:\\.[A-Za-z_]\\w*|\\[(?:\\d+|${TEXT})\\])*`;
const FILTERS = `((?:\\|\\s*\\w+\\s*(?:\\((?:${TEXT}|[^()'"])*\\))?\\s*)*)`;
const REFERENCE = new RegExp(`^\\s*(?:(${NAME})|first\\(\\s*(${NAME}(?:\\s*,\\s*${NAME})+)\\s*\\))\\s*${FILTERS}$`);
const FILTER = new RegExp(`\\|\\s*(\\w+\\s*(?:\\((?:${TEXT}|[^()'"])*\\))?)`, "g");
const ICONS = {
  event: "webhook", steps: "data_object", item: "repeat", index: "repeat", vars: "tune", run: "play_arrow", error: "warning", callbacks: "link",
};

// --- what is a token ----------------------------------------------------------------------------------------------------

// {names, filters}, of `first(a, b)` all its names; null for an expression that is more than that: it stays text.
export const parse = (raw) => {
  const found = REFERENCE.exec(raw.slice(2, -2).replace(/^-|-$/g, " "));
  return found && { names: (found[1] ?? found[2]).match(new RegExp(NAME, "g")), filters: [...found[3].matchAll(FILTER)].map((each) => each[1].trim()) };
};

const pieces = (raw) => {
  const found = [];
  let done = 0;
  for (const match of raw.matchAll(EXPRESSION)) {
    if (!parse(match[0])) continue;
    if (match.index > done) found.push({ text: raw.slice(done, match.index) });
    found.push({ token: match[0] });
    done = match.index + match[0].length;
  }
  if (done < raw.length) found.push({ text: raw.slice(done) });
  return found;
};

export const cardOf = (key) => document.querySelector(`.da-flow [data-key="${CSS.escape(key)}"]`);

const rootOf = (name) => /^\w+/.exec(name)[0];

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

const chip = (raw) => {
  const parsed = parse(raw);
  const all = parsed.names.map(named);
  const label = all.map((each) => each.label).join(", or ");
  const lost = all.some((each) => each.lost);
  const made = document.createElement("span");
  made.className = `da-token${lost ? " lost" : ""}`;
  made.contentEditable = "false";
  made.dataset.raw = raw;
  made.title = lost ? `${raw}: there is no such step` : raw;
  const icon = document.createElement("i");
  icon.className = "icon";
  icon.dataset.icon = ICONS[rootOf(parsed.names[0])];
  icon.setAttribute("aria-hidden", "true");
  const text = document.createElement("span");
  text.className = "clipped";
  text.textContent = label;
  made.append(icon, text);
  if (parsed.filters.length) {
    const formats = document.createElement("code");
    formats.textContent = parsed.filters.join(" | ");
    made.append(formats);
  }
  return made;
};

// --- the editor ---------------------------------------------------------------------------------------------------------

const isChip = (node) => node?.nodeType === 1 && node.dataset.raw !== undefined;
export const written = (node) => {
  if (node.nodeType === 3) return node.data;
  if (isChip(node)) return node.dataset.raw;
  if (node.nodeName === "BR") return "\n";
  return [...node.childNodes].map(written).join("");
};

class Editor {
  constructor(field) {
    this.field = field;
    this.isMultiline = field.localName === "textarea";
    this.past = [];
    this.future = [];
    if (!takesTokens(field)) return;
    this.build();
    this.listen();
    this.showTokens(pieces(field.value).some((piece) => piece.token));
  }

  build() {
    const { field } = this;
    this.box = document.createElement("div");
    this.box.className = "da-expression-edit";
    this.box.contentEditable = "true";
    this.box.spellcheck = false;
    this.box.hidden = true;
    for (const [name, value] of Object.entries({ role: "textbox", "aria-multiline": this.isMultiline, "aria-describedby": `${field.getAttribute("aria-describedby") ?? ""} preview-${field.id} tokens-help`.trim(), "data-of": field.id })) this.box.setAttribute(name, value);
    const label = document.querySelector(`label[for="${CSS.escape(field.id)}"]`);
    if (label) {
      label.id ||= `${field.id}-label`;
      this.box.setAttribute("aria-labelledby", label.id);
      label.addEventListener("click", () => { if (this.isTokens) this.focus(); });
    } else this.box.setAttribute("aria-label", field.getAttribute("aria-label") ?? "Value");
    for (const old of field.parentElement.querySelectorAll(":scope > .da-expression-edit")) old.remove();
    field.after(this.box);
    field.focus = () => this.focus();
  }

  get isTokens() { return Boolean(this.box) && !this.box.hidden; }
  get raw() {
    if (!this.isTokens) return this.field.value;
    const text = written(this.box);
    return this.box.lastChild?.nodeName === "BR" ? text.slice(0, -1) : text;
  }

  showTokens(on) {
    if (!this.box) return;
    this.field.hidden = on;
    this.box.hidden = !on;
    if (on) this.draw(this.field.value);
  }

  focus() { if (this.isTokens) this.box.focus(); else HTMLElement.prototype.focus.call(this.field); }

  // The last line break is never seen: it gives the caret a place behind a token.
  draw(raw) {
    const made = pieces(raw).map((piece) => (piece.token ? chip(piece.token) : document.createTextNode(piece.text)));
    this.box.replaceChildren(...made, document.createElement("br"));
  }

  // {start, end} in the text that is saved.
  get caret() {
    if (!this.isTokens) return { start: this.field.selectionStart ?? 0, end: this.field.selectionEnd ?? 0 };
    const selection = getSelection();
    if (!selection.rangeCount || !this.box.contains(selection.anchorNode)) return { start: this.raw.length, end: this.raw.length };
    const range = selection.getRangeAt(0);
    const upTo = (node, offset) => {
      const before = document.createRange();
      before.selectNodeContents(this.box);
      before.setEnd(node, offset);
      return Math.min(written(before.cloneContents()).length, this.raw.length);
    };
    return { start: upTo(range.startContainer, range.startOffset), end: upTo(range.endContainer, range.endOffset) };
  }

  set caret({ start, end = start }) {
    if (!this.isTokens) { this.field.setSelectionRange(start, end); return; }
    const at = (offset) => {
      let left = offset;
      for (const [index, node] of [...this.box.childNodes].entries()) {
        const length = written(node).length;
        if (node.nodeType === 3 && left <= length) return [node, left];
        if (left <= 0) return [this.box, index];
        left -= length;
      }
      return [this.box, Math.max(0, this.box.childNodes.length - 1)];
    };
    getSelection().setBaseAndExtent(...at(start), ...at(end));
  }

  // --- changes ----------------------------------------------------------------------------------------------------------

  replace(start, end, text, { keep = true } = {}) {
    const raw = this.raw;
    this.set(raw.slice(0, start) + text + raw.slice(end), start + text.length, keep);
  }

  set(raw, caret, keep = true) {
    if (keep) this.remember(false);
    this.field.value = raw;
    const hadFocus = [this.box, this.field].includes(document.activeElement);
    if (!this.isTokens && !this.isFormula && pieces(raw).some((piece) => piece.token)) this.showTokens(true);
    else if (this.isTokens) this.draw(raw);
    if (hadFocus) this.focus();
    if (caret !== undefined && (hadFocus || !this.box)) this.caret = { start: caret };
    this.said();
  }

  said() { this.field.dispatchEvent(new Event("input", { bubbles: true })); }

  remember(isTyping) {
    const last = this.past.at(-1);
    const state = { raw: this.field.value, caret: this.caret.start, at: Date.now(), isTyping };
    if (isTyping && last?.isTyping && state.at - last.at < 600) { last.at = state.at; return; }
    if (last?.raw !== state.raw) this.past.push(state);
    this.future = [];
  }

  turn(from, to) {
    const state = from.pop();
    if (!state) return;
    to.push({ raw: this.field.value, caret: this.caret.start, at: 0 });
    this.set(state.raw, Math.min(state.caret, state.raw.length), false);
  }

  // --- what the browser says --------------------------------------------------------------------------------------------

  listen() {
    const { box, field } = this;
    field.addEventListener("input", () => {
      if (this.isTokens || this.isFormula || document.activeElement !== field) return;
      const { start, end } = this.caret;
      if (start === end && pieces(field.value).some((piece) => piece.token)) this.set(field.value, start);
    });
    box.addEventListener("beforeinput", (event) => this.before(event));
    box.addEventListener("input", () => this.typed());
    for (const name of ["copy", "cut"]) box.addEventListener(name, (event) => this.copied(event, name === "cut"));
    box.addEventListener("paste", (event) => { event.preventDefault(); this.put(event.clipboardData.getData("text/plain")); });
    box.addEventListener("drop", (event) => event.preventDefault());
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("click", (event) => { const token = event.target.closest(".da-token"); if (token) this.openMenu(token); });
  }

  openMenu(token) { document.dispatchEvent(new CustomEvent("automate:token", { detail: { editor: this, token } })); }

  put(text) {
    const { start, end } = this.caret;
    this.replace(start, end, this.isMultiline ? text.replace(/\r\n?/g, "\n") : text.replace(/\s*\n\s*/g, " "));
  }

  before(event) {
    const { start, end } = this.caret;
    if (event.inputType === "historyUndo" || event.inputType === "historyRedo") {
      event.preventDefault();
      if (event.inputType === "historyUndo") this.turn(this.past, this.future); else this.turn(this.future, this.past);
    } else if (event.inputType === "insertParagraph" || event.inputType === "insertLineBreak") {
      event.preventDefault();
      if (this.isMultiline) this.replace(start, end, "\n");
    } else if (event.inputType.startsWith("delete") && this.removeToken(event.inputType.includes("Forward"), start, end)) {
      event.preventDefault();
    } else if (event.inputType.startsWith("format")) {
      event.preventDefault();
    } else if (!event.isComposing) this.remember(true);
  }

  // A token goes as one; several words in one go are left to the browser.
  removeToken(forward, start, end) {
    if (start !== end) { this.replace(start, end, ""); return true; }
    let at = 0;
    for (const node of this.box.childNodes) {
      const length = written(node).length;
      if (isChip(node) && (forward ? at === start : at + length === start)) { this.replace(at, at + length, ""); return true; }
      at += length;
    }
    return false;
  }

  typed() {
    const raw = this.raw;
    this.field.value = raw;
    const drawn = [...this.box.childNodes].filter(isChip).length;
    if (pieces(raw).filter((piece) => piece.token).length !== drawn || this.box.lastChild?.nodeName !== "BR") {
      const { start } = this.caret;
      this.draw(raw);
      this.caret = { start };
    }
    this.said();
  }

  copied(event, cuts) {
    const { start, end } = this.caret;
    if (start === end) return;
    event.preventDefault();
    event.clipboardData.setData("text/plain", this.raw.slice(start, end));
    if (cuts) this.replace(start, end, "");
  }

  key(event) {
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (control && (key === "z" || key === "y")) {
      event.preventDefault();
      if (key === "z" && !event.shiftKey) this.turn(this.past, this.future); else this.turn(this.future, this.past);
    } else if (event.altKey && event.key === "ArrowDown") {
      const { start } = this.caret;
      let at = 0;
      for (const node of this.box.childNodes) {
        at += written(node).length;
        if (isChip(node) && at === start) { event.preventDefault(); this.openMenu(node); }
      }
    }
  }

  // The text in place of the tokens, and back.
  set formula(on) {
    this.isFormula = on;
    if (on) this.field.value = this.raw;
    this.showTokens(!on && pieces(this.field.value).some((piece) => piece.token));
    this.focus();
  }
}

// --- all fields of the panel --------------------------------------------------------------------------------------------

export const editors = new Map(); // by the id of the field
let last = null; // where the caret was last: a panel that is drawn anew gives it back
const FIELDS = "[data-takes-expression]";
const CODE = new Set(["json", "mapping", "code", "list"]);
const takesTokens = (field) => !CODE.has(field.dataset.takesExpression);

export const of = (element) => {
  const code = element?.closest?.(".cm-editor")?.parentElement.querySelector(FIELDS); // the field behind an editor of code
  const field = code ?? element?.closest?.(`${FIELDS}, .da-expression-edit`);
  return field ? editors.get(field.dataset.of ?? field.id) : undefined;
};

const attach = (field) => {
  const present = editors.get(field.id);
  if (present && present.field === field && (!present.box || present.box.previousElementSibling === field)) {
    if (present.isTokens && present.raw !== field.value && document.activeElement !== present.box) present.draw(field.value);
    return;
  }
  const editor = new Editor(field);
  editors.set(field.id, editor);
  if (last?.id === field.id && document.activeElement === document.body) { editor.focus(); editor.caret = last.caret; }
  document.dispatchEvent(new CustomEvent("automate:field", { detail: editor }));
};

let made = 0; // ids for the fields of rows, which have none
export const scan = () => {
  for (const field of document.querySelectorAll(`#inspector ${FIELDS}`)) { field.id ||= `data-field-${(made += 1)}`; attach(field); }
  for (const [id, editor] of editors) if (!editor.field.isConnected) editors.delete(id);
};

document.addEventListener("selectionchange", () => {
  const editor = of(document.activeElement);
  if (editor) last = { id: editor.field.id, caret: editor.caret };
});
document.addEventListener("focusin", (event) => { if (!of(event.target)) last = null; });

new MutationObserver(scan).observe(document.getElementById("inspector"), { childList: true, subtree: true });
addEventListener("DOMContentLoaded", scan);
