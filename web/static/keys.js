// Keys: "/" goes to the box, arrows move between box and hits, Escape clears or goes back. Enter is the browser's own.
const inText = (target) =>
  target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);

/** @param {HTMLInputElement} box the search box's input */
export function startKeys(box) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const handled = {
      "/": () => focusBox(box, event),
      ArrowDown: () => move(box, event, 1),
      ArrowUp: () => move(box, event, -1),
      Escape: () => escape(box, event),
    }[event.key];
    if (handled?.()) {
      event.preventDefault();
    }
  });
}

function focusBox(box, event) {
  if (inText(event.target)) {
    return false;
  }
  box.focus();
  box.select();
  return true;
}

/** From the box down into the hits, between hits, and from the first hit back up to the box. */
function move(box, event, step) {
  const hits = [...document.querySelectorAll("[data-hit]")];
  const at = event.target === box ? -1 : hits.indexOf(event.target);
  if (!hits.length || (at < 0 && event.target !== box)) {
    return false;
  }
  const next = at + step;
  if (next >= hits.length || next < -1) {
    return next >= hits.length;
  }
  const target = next < 0 ? box : hits[next];
  target.focus({ preventScroll: true });
  (target.closest(".hit") ?? target).scrollIntoView({ block: "nearest" });
  return true;
}

function escape(box, event) {
  if (event.target.matches?.("[data-hit]")) {
    box.focus();
    return true;
  }
  if (event.target !== box || !box.value) {
    return false;
  }
  box.value = "";
  box.dispatchEvent(new Event("input", { bubbles: true }));
  return true;
}
