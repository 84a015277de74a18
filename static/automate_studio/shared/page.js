/* What every page of ours loads. */
import "./requests.js";
import "./copy.js";
import "./dialogs.js";
import "./menus.js";
import "./tabs.js";
import "./canvas.js";
import "./messages.js";
import "./proposals.js";
import "./sidebar.js";
import "./shortcuts.js";
