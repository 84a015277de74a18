/* The table of output fields, and the same as JSON: the server draws either from what is stored. */
import { gettext } from "../shared/i18n.js";
import { flush, selected } from "./commands.js";
import { request } from "./request.js";

const inspector = document.getElementById("inspector");

const turn = async (button) => {
  const field = button.closest("[data-field]");
  const path = selected;
  await flush();
  const name = field.dataset.field;
  const said = (text) => { const place = field.querySelector("[data-schema-said]"); if (place) place.textContent = text; };
  if (field.querySelector("[aria-invalid=true]")) return said(gettext("Fix the JSON first."));
  const query = button.dataset.schemaAs === "json" ? `?${new URLSearchParams({ json: name })}` : "";
  const answer = await request(`${document.getElementById("builder").dataset.steps}${path}/${query}`);
  if (!answer.ok || path !== selected || !field.isConnected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector(`[data-field="${CSS.escape(name)}"]`);
  if (!fresh) return;
  if (!query && !fresh.querySelector(".da-schema")) return said(gettext("This schema does not fit a table. Edit it as JSON."));
  field.replaceWith(document.adoptNode(fresh));
  fresh.querySelector(query ? "textarea" : "input:not([type=hidden]), [data-row-add]")?.focus();
};

inspector.addEventListener("click", (event) => {
  const button = event.target.closest("[data-schema-as]");
  if (button) turn(button);
});
