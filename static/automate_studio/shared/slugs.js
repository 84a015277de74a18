/* A name in plain letters, for slugs and names that are proposed. The server's rule is automate_authoring.slugs. */
const GERMAN = { "ä": "ae", "ö": "oe", "ü": "ue" };

export const plainLetters = (text) => {
  let written = text.normalize("NFC").toLowerCase().replace(/ß/g, "ss");
  if (document.documentElement.lang.startsWith("de")) written = written.replace(/[äöü]/g, (letter) => GERMAN[letter]);
  return written.normalize("NFKD").replace(/[\u0300-\u036f]/g, "");
};
