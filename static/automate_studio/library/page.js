/* The page of a template. */
import "../shared/json-tree.js";
