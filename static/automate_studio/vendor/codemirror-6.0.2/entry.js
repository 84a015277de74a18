// The parts of CodeMirror that the builder's code fields use, in one file.
export { EditorView, keymap, lineNumbers, highlightActiveLine, drawSelection, placeholder } from "@codemirror/view";
export { EditorState } from "@codemirror/state";
export { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
export { bracketMatching, indentOnInput, syntaxHighlighting, HighlightStyle } from "@codemirror/language";
export { json } from "@codemirror/lang-json";
export { html } from "@codemirror/lang-html";
export { sql, PostgreSQL } from "@codemirror/lang-sql";
export { tags } from "@lezer/highlight";
