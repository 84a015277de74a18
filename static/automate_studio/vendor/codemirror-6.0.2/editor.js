// What every editor of a field is made of, and what draws tokens.
export { Decoration, EditorView, WidgetType, keymap, placeholder } from "@codemirror/view";
export { EditorState, StateField } from "@codemirror/state";
export { history, historyKeymap, insertNewline, standardKeymap } from "@codemirror/commands";
