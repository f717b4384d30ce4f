// Progress while it happens: the server's events for the first unfinished job, and the page itself asked again now and
// then for everything else. Where events cannot be had (too many readers, a proxy), asking alone is enough.
import { fetchPage, put } from "./pieces.js";

const RENEW_MS = 4000;
const POLL_MS = 2000;
const number = new Intl.NumberFormat("en");

/**
 * @param {HTMLElement} root names in data-live the ids of the parts that change
 * @returns {{ renew: () => Promise<void> }} for those who know that something has just changed
 */
export function startLive(root) {
  const live = new Live(root);
  live.follow();
  return live;
}

class Live {
  constructor(root) {
    this.root = root;
    this.parts = root.dataset.live.split(" ");
    this.source = null;
    this.timer = 0;
  }

  unfinished() {
    return this.root.querySelector('[data-job][data-finished="no"]');
  }

  /** Follows the first unfinished job; without one, only looks again while the collection is still at work. */
  follow() {
    this.stop();
    const job = this.unfinished();
    if (job) {
      this.listen(job.dataset.job, job.dataset.events);
      this.again(RENEW_MS);
    } else if (this.root.querySelector("#standing progress")) {
      this.again(POLL_MS);
    }
  }

  stop() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  again(wait) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.renew(), wait);
  }

  listen(id, address) {
    const source = new EventSource(address);
    this.source = source;
    source.addEventListener("progress", (event) => this.tell(id, JSON.parse(event.data)));
    source.addEventListener("done", (event) => {
      source.close();
      this.tell(id, JSON.parse(event.data));
      this.renew();
    });
    source.addEventListener("error", (event) => {
      // An error with data is the server's last word; without data the browser reconnects, unless it was refused.
      if (event.data || source.readyState === EventSource.CLOSED) {
        source.close();
        this.again(POLL_MS);
      }
    });
  }

  /** Shows a job's numbers as an event brought them. */
  tell(id, job) {
    const entry = this.root.querySelector(`[data-job="${CSS.escape(id)}"]`);
    if (!entry || !job.counts) {
      return;
    }
    const { ready, total, unchanged } = job.counts;
    const same = unchanged ? `, ${number.format(unchanged)} unchanged` : "";
    entry.querySelector("[data-bar]")?.setAttribute("value", String(job.done));
    entry.querySelector("[data-bar]")?.setAttribute("max", String(job.counts.total || 1));
    entry.querySelector("[data-progress]").textContent =
      `${number.format(ready)} of ${number.format(total)} searchable so far${same}`;
  }

  /** Asks for the page again and puts its changing parts in place, except where the reader is in the middle of one. */
  async renew() {
    if (document.hidden) {
      this.again(POLL_MS);
      return;
    }
    const followed = this.unfinished()?.dataset.job;
    try {
      const page = await fetchPage(location.href);
      this.parts.forEach((id) => {
        const old = document.getElementById(id);
        const fresh = page.getElementById(id);
        if (old && fresh && !busy(old)) {
          put(old, fresh);
        }
      });
    } catch {
      this.again(POLL_MS); // the server is away: keep what is shown and ask again
      return;
    }
    const job = this.unfinished();
    if (job && job.dataset.job === followed) {
      const listening = this.source && this.source.readyState !== EventSource.CLOSED;
      this.again(listening ? RENEW_MS : POLL_MS);
    } else {
      this.follow();
    }
  }
}

function busy(part) {
  return part.contains(document.activeElement) || part.querySelector("details[open]") !== null;
}
