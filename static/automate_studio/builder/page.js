/* The builder: its parts, in the order in which they hear keys and clicks. */
import "./commands.js";
import "./palette.js";
import "./move.js";
import "./presence.js";
import "./triggers.js";
import "../shared/object-forms.js";
import "../shared/json-tree.js";
import "./fields.js";
import "./required.js";
import "./schema.js";
import "./options.js";
import "./proposals.js";
import "./field-editors.js";
import "./token-menu.js";
import "./functions.js";
import "./data.js";
import "./test.js";
