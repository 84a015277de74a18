/* What every page of ours loads. */
import "./studio.js";
import "./shortcuts.js";
