// Parts of pages as the server renders them: fetched, and put in place of the part that is there.
import { localTimes } from "./times.js";

/** Fetches an address and gives back its page, whatever the status: errors are pages too. */
export async function fetchPage(address, signal) {
  const response = await fetch(address, { signal, headers: { Accept: "text/html" } });
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** Puts a new element in place of an old one. What had the focus keeps it, and what was opened stays open. */
export function put(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  old.querySelectorAll("details[id][open]").forEach((details) => {
    fresh.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
  });
  localTimes(fresh);
  old.replaceWith(document.adoptNode(fresh));
  if (focused?.id) {
    document.getElementById(focused.id)?.focus({ preventScroll: true });
  }
}

/** An element with a text, and nothing that could be read as markup. */
export function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  return made;
}
