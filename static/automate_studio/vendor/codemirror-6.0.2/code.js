// What editors of code have beside it: line numbers, and languages with their colours.
export { drawSelection, lineNumbers } from "@codemirror/view";
export { defaultKeymap } from "@codemirror/commands";
export { HighlightStyle, bracketMatching, indentOnInput, syntaxHighlighting } from "@codemirror/language";
export { json } from "@codemirror/lang-json";
export { html } from "@codemirror/lang-html";
export { PostgreSQL, sql } from "@codemirror/lang-sql";
export { tags } from "@lezer/highlight";
