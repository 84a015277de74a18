// Texts of the scripts in the page's language. The catalogue is Django's JavaScriptCatalog, loaded before the modules;
// in English there is none.
const django = globalThis.django ?? {};

export const gettext = (message) => django.gettext?.(message) ?? message;

export const ngettext = (singular, plural, count) => django.ngettext?.(singular, plural, count) ?? (count === 1 ? singular : plural);

/** The message with its named placeholders, such as `%(name)s`, filled in. */
export const fill = (message, values) => message.replace(/%\((\w+)\)s/g, (_whole, name) => String(values[name]));
