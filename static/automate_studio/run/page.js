/* The page of a run. */
import "./ticking.js";
import "./live.js";
import "../shared/json-tree.js";
import "./inspector.js";
