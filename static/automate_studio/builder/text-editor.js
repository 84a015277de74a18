/* A text field in CodeMirror. The field stays behind it and holds what is saved. The editor is asked for its text and caret,
   and told of changes, as a text field is. */
import { EditorState, EditorView, history, historyKeymap, keymap, standardKeymap } from "../vendor/codemirror-6.0.2/editor.min.js";
import { gettext } from "../shared/i18n.js";

// A label around the field is around its editor as well: the words in it are the name.
const nameOf = (field) => {
  const label = field.labels[0];
  const words = label?.contains(field) ? label.firstElementChild : label;
  if (!words) return { "aria-label": field.ariaLabel ?? gettext("Value") };
  words.id ||= `${field.id}-label`;
  return { "aria-labelledby": words.id };
};

// The field says what was typed in its editor as if it had been typed in the field.
const say = (field, { state, transactions }) => {
  const isBy = (event) => transactions.some((each) => each.isUserEvent(event));
  const { head } = state.selection.main;
  const how = isBy("input.type") ? { inputType: "insertText", data: state.sliceDoc(head - 1, head) } : { inputType: isBy("delete") ? "deleteContent" : "" };
  field.value = state.doc.toString();
  field.dispatchEvent(new InputEvent("input", { bubbles: true, ...how }));
};

export class TextEditor {
  constructor(field, extensions, attributes = {}) {
    const hadFocus = document.activeElement === field;
    this.field = field;
    this.view = new EditorView({
      doc: field.value,
      selection: hadFocus ? { anchor: field.selectionStart, head: field.selectionEnd } : { anchor: field.value.length },
      extensions: [
        extensions, history(), keymap.of([...standardKeymap, ...historyKeymap]), EditorView.lineWrapping, // Tab leaves the field
        EditorView.contentAttributes.of({ ...nameOf(field), "aria-describedby": field.getAttribute("aria-describedby") ?? "", tabindex: "0", ...attributes }),
        EditorView.domEventHandlers({ input: (event) => event.stopPropagation() }),
        EditorView.updateListener.of((update) => { if (update.state.doc.toString() !== field.value) say(field, update); }),
      ],
    });
    this.view.dom.addEventListener("click", (event) => event.preventDefault()); // a label around it would take the focus
    field.after(this.view.dom);
    this.stepBack(true);
    if (hadFocus) this.focus();
  }

  stepBack(on) {
    this.field.classList.toggle("da-behind", on);
    this.field.tabIndex = on ? -1 : 0;
    this.field.ariaHidden = on;
  }

  get isInPlace() { return this.view.dom.previousSibling === this.field; }
  get selectionStart() { return this.view.state.selection.main.from; }
  get selectionEnd() { return this.view.state.selection.main.to; }

  setSelectionRange(anchor, head) { this.view.dispatch({ selection: { anchor, head }, scrollIntoView: true }); }

  setRangeText(insert, from, to) {
    this.view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + insert.length }, userEvent: "input", scrollIntoView: true });
  }

  focus() { this.view.focus(); }

  // Take over what somebody else has written into the field.
  read() {
    const { doc } = this.view.state;
    if (this.field.value !== doc.toString()) this.setRangeText(this.field.value, 0, doc.length);
  }

  close() {
    this.view.destroy();
    this.stepBack(false);
  }
}
