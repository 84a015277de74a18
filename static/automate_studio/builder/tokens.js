/* Expressions as tokens in a field's text: each is one character to the caret, and opens its menu. */
import { Decoration, EditorState, EditorView, StateField, WidgetType, insertNewline, keymap, placeholder } from "../vendor/codemirror-6.0.2/editor.min.js";
import { fill, gettext } from "../shared/i18n.js";
import { named, parse, rootOf, tokensIn } from "./expressions.js";
import { TextEditor } from "./text-editor.js";

const ICONS = {
  event: "webhook", steps: "data_object", item: "repeat", index: "repeat", vars: "tune", run: "play_arrow", error: "warning", callbacks: "link",
};

const element = (name, className, textContent = "") => Object.assign(document.createElement(name), { className, textContent });

class Token extends WidgetType {
  constructor(raw) {
    super();
    const { names, filters } = parse(raw);
    const all = names.map(named);
    this.raw = raw;
    this.icon = ICONS[rootOf(names[0])];
    this.label = all.map((each) => each.label).reduce((first, second) => fill(gettext("%(first)s, or %(second)s"), { first, second }));
    this.isLost = all.some((each) => each.lost);
    this.formats = filters.join(" | ");
  }

  eq(other) { return other.raw === this.raw && other.label === this.label && other.isLost === this.isLost; }

  toDOM() {
    const chip = element("span", `da-token${this.isLost ? " lost" : ""}`);
    chip.dataset.raw = this.raw;
    chip.title = this.isLost ? fill(gettext("%(expression)s: step not found"), { expression: this.raw }) : this.raw;
    const icon = element("i", "icon");
    icon.dataset.icon = this.icon;
    icon.ariaHidden = true;
    chip.append(icon, element("span", "clipped", this.label));
    if (this.formats) chip.append(element("code", "", this.formats));
    return chip;
  }

  ignoreEvent() { return false; } // a press puts the caret beside it
}

const draw = (state) => Decoration.set(tokensIn(state.doc.toString()).map(({ raw, start, end }) => Decoration.replace({ widget: new Token(raw) }).range(start, end)));

const tokens = StateField.define({
  create: draw,
  update: (drawn, { docChanged, state }) => (docChanged ? draw(state) : drawn),
  provide: (field) => [EditorView.decorations.from(field), EditorView.atomicRanges.of((view) => view.state.field(field))],
});

// --- the menu of a token ------------------------------------------------------------------------------------------------

const openMenu = (view, token) => {
  token?.dispatchEvent(new CustomEvent("automate:token", { bubbles: true, detail: { start: view.posAtDOM(token) } }));
  return Boolean(token);
};

// The token that is selected, or ends at the caret.
const openMenuAtCaret = (view) => {
  const { from, to, empty } = view.state.selection.main;
  const chips = [...view.contentDOM.querySelectorAll(".da-token")];
  return openMenu(view, chips.find((chip) => {
    const start = view.posAtDOM(chip);
    return start + chip.dataset.raw.length === to && (empty || start === from);
  }));
};

const openMenuOfSelected = (view) => !view.state.selection.main.empty && openMenuAtCaret(view);

const keys = keymap.of([
  { key: "Alt-ArrowDown", run: openMenuAtCaret },
  { key: "Enter", run: openMenuOfSelected },
  { key: "Enter", run: insertNewline, shift: insertNewline },
]);

const isNothing = (event, view) => view.state.selection.main.empty; // of which CodeMirror would take the whole line
const events = EditorView.domEventHandlers({ click: (event, view) => openMenu(view, event.target.closest(".da-token")), copy: isNothing, cut: isNothing });

// --- a field --------------------------------------------------------------------------------------------------------------

const oneLine = [
  EditorState.transactionFilter.of((change) => (change.newDoc.lines > 1 ? [] : change)),
  EditorView.clipboardInputFilter.of((text) => text.replace(/\s*\n\s*/g, " ")),
];

export const open = (field) => {
  const isMultiline = field.localName === "textarea";
  const described = `${field.getAttribute("aria-describedby") ?? ""} preview-${field.id} tokens-help`.trim();
  return new TextEditor(field, [tokens, keys, events, field.placeholder ? placeholder(field.placeholder) : [], isMultiline ? [] : oneLine], { "aria-multiline": String(isMultiline), "aria-describedby": described });
};
