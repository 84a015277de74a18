/* Code and JSON in an editor with line numbers and colours. The field stays: it holds what is saved, and is all there is
   where scripts or the editor do not load. */

const inspector = document.getElementById("inspector");
const source = document.getElementById("builder").dataset.codeEditor;
let loading = null; // the editor's module, once a field needs it

const theme = (cm) => cm.EditorView.theme({
  "&": { flex: "1", minWidth: "0", fontSize: "12px", background: "none" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--da-mono)", lineHeight: "19px", maxHeight: "320px" },
  ".cm-content": { padding: "0", caretColor: "var(--da-text)", minHeight: "57px" },
  ".cm-gutters": { background: "none", border: "0", color: "var(--da-text-3)", paddingRight: "4px" },
  ".cm-activeLine": { background: "none" },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { background: "var(--da-primary-soft)" },
  ".cm-cursor": { borderLeftColor: "var(--da-text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: "var(--da-primary-soft)" },
});

const colours = (cm) => {
  const { tags } = cm;
  return cm.syntaxHighlighting(cm.HighlightStyle.define([
    { tag: [tags.propertyName, tags.attributeName, tags.keyword, tags.tagName, tags.operatorKeyword], color: "var(--da-primary-text)" },
    { tag: [tags.string, tags.attributeValue, tags.special(tags.string)], color: "var(--da-ok)" },
    { tag: [tags.number, tags.bool, tags.null, tags.literal], color: "var(--da-wait)" },
    { tag: [tags.comment, tags.punctuation, tags.bracket, tags.separator], color: "var(--da-text-3)" },
  ]));
};

const language = (cm, name) => ({ json: () => [cm.json()], html: () => [cm.html()], sql: () => [cm.sql({ dialect: cm.PostgreSQL })] })[name]?.() ?? [];

const edit = (cm, field) => {
  if (!field.isConnected || field.dataset.edited) return;
  field.dataset.edited = "true";
  let mine = false; // whether the field's change comes from the editor
  const named = field.getAttribute("aria-labelledby") ?? `${field.id}-label`;
  const describe = { "aria-labelledby": named, "aria-describedby": field.getAttribute("aria-describedby") ?? "", "aria-multiline": "true", spellcheck: "false" };
  const said = (update, end) => {
    const isTyped = update.transactions.some((each) => each.isUserEvent("input.type") || each.isUserEvent("delete"));
    const event = new InputEvent("input", { bubbles: true, data: isTyped ? update.state.sliceDoc(end - 1, end) : null });
    if (isTyped) Object.defineProperty(event, "detail", { value: "typed" });
    mine = true;
    field.dispatchEvent(event);
    mine = false;
  };
  const view = new cm.EditorView({
    parent: field.parentElement,
    state: cm.EditorState.create({
      doc: field.value,
      extensions: [
        cm.lineNumbers(), cm.history(), cm.drawSelection(), cm.bracketMatching(), cm.indentOnInput(), cm.EditorView.lineWrapping,
        cm.keymap.of([...cm.defaultKeymap, ...cm.historyKeymap]), // Tab leaves the field, as everywhere
        language(cm, field.dataset.code), theme(cm), colours(cm),
        cm.EditorView.contentAttributes.of(describe),
        cm.EditorView.updateListener.of((update) => {
          const { from, to } = update.state.selection.main;
          if (update.docChanged) field.value = update.state.doc.toString();
          if (update.docChanged || update.selectionSet) field.setSelectionRange(from, to);
          if (update.docChanged) said(update, from);
        }),
      ],
    }),
  });
  field.classList.add("da-behind");
  field.tabIndex = -1;
  field.setAttribute("aria-hidden", "true");
  field.addEventListener("focus", () => view.focus());
  field.addEventListener("input", () => {
    if (mine || field.value === view.state.doc.toString()) return;
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: field.value }, selection: { anchor: Math.min(field.selectionEnd, field.value.length) } });
  });
};

const look = async () => {
  const fields = [...inspector.querySelectorAll("textarea[data-code]:not([data-edited])")];
  if (!fields.length || !source) return;
  loading ??= import(source);
  try {
    const cm = await loading;
    for (const field of fields) edit(cm, field);
  } catch {
    loading = null; // the plain field stays in use; the next panel tries again
  }
};

new MutationObserver(look).observe(inspector, { childList: true, subtree: true });
look();
