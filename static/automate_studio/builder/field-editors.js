/* The fields of the panel that are shown in editors: code always, other text while it has tokens. What is inserted into a
   field, and where its caret is, goes by way of these, whether there is an editor or not. */
import { tokensIn } from "./expressions.js";
import { JSON_KINDS } from "./insertion.js";
import { open as openTokens } from "./tokens.js";

let openCode = null; // its module comes once it is needed: until then, the plain field is in use
const loadCode = () => import("./code.js").then((module) => { openCode = module.open; scan(); }, () => {}); // the next panel tries again

class FieldEditor {
  constructor(field) {
    this.field = field;
    field.addEventListener("focus", () => this.editor?.focus());
    field.addEventListener("input", (event) => { if (!event.isComposing) this.draw(); });
  }

  get takesExpressions() { return "takesExpression" in this.field.dataset; }
  get raw() { return this.field.value; }
  get place() { return this.editor ?? this.field; }

  // {start, end} in the text.
  get caret() { return { start: this.place.selectionStart, end: this.place.selectionEnd }; }
  set caret({ start, end = start }) { this.place.setSelectionRange(start, end); }

  focus() { this.place.focus(); }

  replace(start, end, text) {
    this.place.setRangeText(text, start, end, "end");
    if (!this.editor) this.field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // The text in place of the tokens, and back.
  set formula(on) {
    this.isFormula = on;
    if (on) this.close();
    this.draw();
    this.focus();
  }

  get kind() {
    const { code, takesExpression } = this.field.dataset;
    if (code !== undefined) return "code";
    const isText = takesExpression !== undefined && !JSON_KINDS.has(takesExpression);
    return isText && !this.isFormula && tokensIn(this.raw).length ? "tokens" : null;
  }

  draw() {
    if (this.editor?.isInPlace) return this.editor.read();
    this.close();
    const { kind } = this;
    const open = { code: openCode, tokens: openTokens }[kind];
    if (open) this.editor = open(this.field);
    else if (kind) loadCode();
  }

  close() {
    this.editor?.close();
    this.editor = null;
  }
}

// --- all fields of the panel --------------------------------------------------------------------------------------------

export const editors = new Map(); // by the id of the field
export const expressionEditors = () => [...editors.values()].filter((editor) => editor.takesExpressions);
const FIELDS = "[data-takes-expression], [data-code]";
let focused = null; // the field that has the focus: when a panel is drawn anew, it gets it again, with the caret

export const of = (element) => {
  const field = element?.closest?.(".cm-editor")?.previousSibling ?? element;
  const editor = editors.get(field?.id);
  return editor?.takesExpressions ? editor : undefined;
};

const attach = (field) => {
  const before = editors.get(field.id);
  if (before?.field === field) return before.draw();
  const editor = new FieldEditor(field);
  editors.set(field.id, editor);
  editor.draw();
  if (focused === field.id && document.activeElement === document.body) { editor.focus(); editor.caret = before.caret; }
  before?.close();
  if (editor.takesExpressions) document.dispatchEvent(new CustomEvent("automate:field", { detail: editor }));
};

let made = 0; // ids for the fields of rows, which have none
export const scan = () => {
  for (const field of document.querySelectorAll(`#inspector :is(${FIELDS})`)) { field.id ||= `data-field-${(made += 1)}`; attach(field); }
  for (const [id, editor] of editors) if (!editor.field.isConnected) { editor.close(); editors.delete(id); }
};

document.addEventListener("focusin", (event) => { focused = of(event.target)?.field.id ?? null; });

new MutationObserver(scan).observe(document.getElementById("inspector"), { childList: true, subtree: true });
scan();
