/* Code and JSON in an editor with line numbers and colours. */
import {
  HighlightStyle, PostgreSQL, bracketMatching, defaultKeymap, drawSelection, html, indentOnInput, json, lineNumbers, sql, syntaxHighlighting, tags,
} from "../vendor/codemirror-6.0.2/code.min.js";
import { keymap } from "../vendor/codemirror-6.0.2/editor.min.js";
import { TextEditor } from "./text-editor.js";

const LANGUAGES = { json, html, sql: () => sql({ dialect: PostgreSQL }) };

const colours = syntaxHighlighting(HighlightStyle.define([
  { tag: [tags.propertyName, tags.attributeName, tags.keyword, tags.tagName, tags.operatorKeyword], color: "var(--da-primary-text)" },
  { tag: [tags.string, tags.attributeValue, tags.special(tags.string)], color: "var(--da-ok)" },
  { tag: [tags.number, tags.bool, tags.null, tags.literal], color: "var(--da-wait)" },
  { tag: [tags.comment, tags.punctuation, tags.bracket, tags.separator], color: "var(--da-text-3)" },
]));

const keys = keymap.of(defaultKeymap.filter(({ key }) => key !== "Mod-Enter")); // it tests the step

export const open = (field) => new TextEditor(field, [lineNumbers(), drawSelection(), bracketMatching(), indentOnInput(), keys, colours, LANGUAGES[field.dataset.code]?.() ?? []]);
