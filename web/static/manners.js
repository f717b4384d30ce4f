// Small courtesies of forms and addresses.
import { element } from "./pieces.js";

/** What was just done is said once: without this, a reload or a shared link would say it again. */
export function cleanAddress() {
  if (document.querySelector("[data-notice]")) {
    const here = new URL(location.href);
    ["done", "n"].forEach((name) => here.searchParams.delete(name));
    history.replaceState(history.state, "", here);
  }
}

/** Shows one empty row of a table of inputs at a time, and a button for the next. */
export function startRows(table) {
  const rows = () => [...table.querySelectorAll("[data-row]")];
  const empty = (row) => row.querySelector("input").value === "";
  rows()
    .filter(empty)
    .slice(1)
    .forEach((row) => row.remove());
  const button = element("button", "Another field", { type: "button", class: "link rows-more" });
  button.addEventListener("click", () => {
    const last = rows().at(-1);
    const row = last.cloneNode(true);
    row.querySelectorAll("[aria-label]").forEach((field) => {
      field.setAttribute("aria-label", field.getAttribute("aria-label").replace(/\d+$/, String(rows().length + 1)));
    });
    row.querySelector("input").value = "";
    last.after(row);
    row.querySelector("input").focus();
  });
  table.append(button);
}
