/* Lists and forms of connections, secrets, webhooks and budgets. */
import "../shared/object-forms.js";
