/* The page of an event. */
import "../shared/json-tree.js";
