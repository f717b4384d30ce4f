// Search as you type. The server renders the results; the address always tells what is shown, so it can be shared.
import { startKeys } from "./keys.js";
import { element, fetchPage, put } from "./pieces.js";

const DELAY_MS = 180;
const ANNOUNCE_MS = 700;
const REFRESH_MS = 4000;

/**
 * @param {HTMLFormElement} form the search box
 * @param {HTMLElement | null} root what surrounds box and results; null where a page only has the box
 */
export function startSearch(form, root) {
  startKeys(form.elements.q);
  if (root) {
    new Search(form, root).start();
  }
}

class Search {
  constructor(form, root) {
    this.form = form;
    this.root = root;
    this.box = form.elements.q;
    this.shown = new URLSearchParams(location.search).get("q")?.trim() ?? "";
    this.collection = this.chosen();
    this.timers = {};
    this.request = null;
  }

  start() {
    this.box.addEventListener("input", (event) => {
      if (!event.isComposing) {
        this.later("typing", DELAY_MS, () => this.typed());
      }
    });
    this.box.addEventListener("compositionend", () => this.later("typing", DELAY_MS, () => this.typed()));
    this.root.addEventListener("change", (event) => {
      if (event.target !== this.box) {
        this.go(this.address(), { typing: false });
      }
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(this.timers.typing);
      this.go(this.address(), { typing: false });
    });
    addEventListener("popstate", () => this.restore());
    // Going on from here ends the typing: what is typed after coming back is a new entry of the history.
    addEventListener("pagehide", () => history.replaceState({ typing: false }, ""));
    this.typed(); // what was typed before this script had come
    this.watch();
  }

  chosen() {
    return this.form.elements.collection.value;
  }

  later(name, wait, run) {
    clearTimeout(this.timers[name]);
    this.timers[name] = setTimeout(run, wait);
  }

  typed() {
    if (this.box.value.trim() !== this.shown) {
      this.go(this.address(), { typing: true });
    }
  }

  /** The address of what the form asks for. Another collection has other fields, so filters stay behind. */
  address() {
    const collection = this.chosen();
    const asked = new URLSearchParams();
    for (const [name, value] of new FormData(this.form)) {
      const text = String(value).trim();
      if (text && (name === "q" || (name !== "collection" && collection === this.collection))) {
        asked.append(name, text);
      }
    }
    return this.fill(this.root.dataset.page, collection, asked);
  }

  fill(pattern, collection, asked) {
    const query = asked.toString();
    return pattern.replace("COLLECTION", encodeURIComponent(collection)) + (query ? `?${query}` : "");
  }

  /** Shows an address and makes it the page's. While the reader types, one entry of the history is written over. */
  async go(address, { typing }) {
    if (address !== location.pathname + location.search) {
      const same = typing && history.state?.typing;
      history[same ? "replaceState" : "pushState"]({ typing }, "", address);
    } else {
      history.replaceState({ typing }, "", address);
    }
    await this.show();
  }

  restore() {
    const start = this.root.dataset.page.split("COLLECTION")[0];
    if (!location.pathname.startsWith(start)) {
      location.reload();
      return;
    }
    this.box.value = new URLSearchParams(location.search).get("q") ?? "";
    this.form.elements.collection.value = decodeURIComponent(location.pathname.slice(start.length));
    this.show();
  }

  /** Fetches and shows the results for the page's address; an older request that is still out is given up. */
  async show() {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    clearTimeout(this.timers.refresh);
    this.shown = this.box.value.trim();
    this.collection = this.chosen();
    const asked = this.fill(this.root.dataset.results, this.collection, new URLSearchParams(location.search));
    this.results()?.setAttribute("aria-busy", "true");
    try {
      this.replace(await fetchPage(asked, request.signal));
    } catch (error) {
      if (error.name !== "AbortError") {
        this.fail();
      }
    }
  }

  results() {
    return this.root.querySelector("#results");
  }

  replace(page) {
    const fresh = page.querySelector(".columns");
    if (!fresh) {
      this.results().replaceChildren(page.querySelector("[data-problem]") ?? "");
      this.results().removeAttribute("aria-busy");
      return;
    }
    document.title = fresh.dataset.title;
    this.settle(() => {
      document.body.className = "at-search";
      this.form.action = this.fill(this.root.dataset.page, this.collection, new URLSearchParams());
      put(this.root.querySelector(".columns"), fresh);
    });
    const said = fresh.dataset.said;
    this.later("announce", ANNOUNCE_MS, () => (this.root.querySelector("#announce").textContent = said));
    this.watch();
  }

  /** The box moves up once, when the start page becomes the results page; a glide shows that it is the same box. */
  settle(change) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (document.body.className === "at-home" && document.startViewTransition && !still) {
      document.startViewTransition(change);
    } else {
      change();
    }
  }

  fail() {
    const message = element("div", "", { class: "empty", "data-problem": "" });
    const again = element("button", "Try again", { type: "button", class: "button" });
    again.addEventListener("click", () => this.show());
    message.append(
      element("h2", "The server cannot be reached"),
      element("p", "It may have been stopped, or the network is away. What you typed is still in the box."),
      again,
    );
    this.results().replaceChildren(message);
    this.results().removeAttribute("aria-busy");
  }

  /** While documents are still being indexed: renews the line that says how many, and the results when there are none. */
  watch() {
    if (this.root.querySelector("[data-moving]")) {
      this.later("refresh", REFRESH_MS, () => this.refresh());
    }
  }

  async refresh() {
    if (document.hidden) {
      this.watch();
      return;
    }
    if (!this.root.querySelector("[data-hit]") && this.shown) {
      await this.show();
      return;
    }
    const request = this.request;
    try {
      const page = await fetchPage(location.href);
      const old = this.root.querySelector("#standing");
      const fresh = page.querySelector("#standing");
      if (this.request !== request || !old) {
        return;
      }
      if (fresh) {
        put(old, fresh);
        this.watch();
      } else {
        old.remove();
      }
    } catch {
      this.watch();
    }
  }
}
