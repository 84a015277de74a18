/* Declared connectors: the text of a draft in an editor. */
import "../shared/object-forms.js";
import { open } from "../builder/code.js";

for (const field of document.querySelectorAll(".da-yaml textarea:not([readonly])")) open(field);
