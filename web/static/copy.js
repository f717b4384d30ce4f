// A button that copies a block of code. Browsers allow it on https and on this machine; elsewhere there is no button.
import { element } from "./pieces.js";

const SHOWN_MS = 1500;

export function startCopying(block) {
  if (!navigator.clipboard) {
    return;
  }
  const button = element("button", "Copy", { type: "button" });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.querySelector("code").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = "Copy"), SHOWN_MS);
  });
  block.append(button);
}
