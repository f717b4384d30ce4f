// Files by dropping or choosing, folders with everything in them, sent in portions; a portion that is refused is cut in
// two until the file at fault stands alone, so that one bad file costs only itself. A name stands for one document, so
// of several files of one name only the first is sent: in requests of their own they would overwrite each other.
import { droppedFiles } from "./dropped.js";
import { element } from "./pieces.js";

const PORTION_FILES = 100;
const PORTION_BYTES = 16 * 1024 * 1024;
const SAME_NAME =
  "not sent, because another file of this name was just sent and this one would overwrite it; " +
  "rename one of them, or choose the folder that holds both";
const number = new Intl.NumberFormat("en");

/**
 * @param {HTMLFormElement} form
 * @param {{ renew: () => Promise<void> }} live is told when something was taken in
 */
export function startUpload(form, live) {
  const upload = new Upload(form, live);
  form.querySelectorAll('input[type="file"]').forEach((input) => {
    const take = () => {
      const files = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
      input.value = "";
      if (files.length) {
        upload.add(files);
      }
    };
    input.addEventListener("change", take);
    take(); // what was chosen before this script had come
  });
  let depth = 0;
  const over = (step) => {
    depth = Math.max(0, depth + step);
    form.toggleAttribute("data-over", depth > 0);
  };
  form.addEventListener("dragenter", () => over(1));
  form.addEventListener("dragleave", () => over(-1));
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", async (event) => {
    event.preventDefault();
    over(-depth);
    upload.add(await droppedFiles(event.dataTransfer));
  });
  // A file dropped beside the field would make the browser leave the page for it.
  ["dragover", "drop"].forEach((name) => addEventListener(name, (event) => event.preventDefault()));
}

class Upload {
  constructor(form, live) {
    this.form = form;
    this.live = live;
    this.said = form.querySelector("[data-sending]");
    this.limit = Number(form.dataset.maxBytes);
    this.waiting = [];
    this.running = false;
    this.reset();
  }

  reset() {
    this.counts = { total: 0, taken: 0, same: 0 };
    this.refused = [];
    this.names = new Set();
    this.bytes = { total: 0, sent: 0 };
  }

  async add(files) {
    if (!this.running) {
      this.reset();
    }
    this.counts.total += files.length;
    files.forEach((entry) => (this.bytes.total += entry.file.size));
    this.waiting.push(...files);
    if (!this.running && this.waiting.length) {
      this.running = true;
      await this.run();
      this.running = false;
      this.report();
    }
  }

  async run() {
    while (this.waiting.length) {
      const portion = this.portion();
      if (portion.length) {
        await this.send(portion);
      }
    }
  }

  /** The next files that fit into one request; a file that never fits is refused here. */
  portion() {
    const taken = [];
    let bytes = 0;
    while (this.waiting.length && taken.length < PORTION_FILES) {
      const size = this.waiting[0].file.size;
      if (this.names.has(this.waiting[0].path)) {
        this.refuse(this.waiting.shift().path, size, SAME_NAME);
        continue;
      }
      if (size >= this.limit) {
        const { path } = this.waiting.shift();
        const allowed = Math.floor(this.limit / 1048576);
        this.refuse(path, size, `it has ${Math.ceil(size / 1048576)} MB; at most ${allowed} MB can be sent at once`);
      } else if (taken.length && bytes + size > PORTION_BYTES) {
        break;
      } else {
        bytes += size;
        this.names.add(this.waiting[0].path);
        taken.push(this.waiting.shift());
      }
    }
    return taken;
  }

  refuse(path, size, reason) {
    this.refused.push({ path, reason });
    this.bytes.sent += size;
  }

  async send(portion) {
    const bytes = portion.reduce((sum, entry) => sum + entry.file.size, 0);
    this.progress(0);
    const answer = await post(this.form.dataset.upload, this.body(portion), (sent) => this.progress(Math.min(sent, bytes)));
    if (answer.status === 202) {
      const outcomes = answer.json.documents ?? [];
      const same = outcomes.filter((document) => document.outcome === "unchanged").length;
      this.counts.same += same;
      this.counts.taken += portion.length - same;
      this.bytes.sent += bytes;
      await this.live.renew();
    } else if (answer.json.code === "doubled-id" && portion.length > 1) {
      await this.sendDistinct(portion, answer.json);
    } else if (portion.length > 1 && answer.status >= 400 && answer.status < 500) {
      const half = Math.ceil(portion.length / 2);
      await this.send(portion.slice(0, half));
      await this.send(portion.slice(half));
    } else {
      portion.forEach(({ path, file }) => this.refuse(path, file.size, answer.json.detail ?? answer.reason));
    }
  }

  /** Names that only the server takes for the same: never halved, because then the later one would win. */
  async sendDistinct(portion, problem) {
    const at = Number(/^\/file\/(\d+)/.exec(problem.pointer ?? "")?.[1] ?? NaN);
    const doubled = portion[at] ? [portion[at]] : portion;
    doubled.forEach(({ path, file }) => this.refuse(path, file.size, problem.detail));
    const rest = portion.filter((entry) => !doubled.includes(entry));
    if (rest.length) {
      await this.send(rest);
    }
  }

  body(portion) {
    const body = new FormData();
    portion.forEach(({ file, path }) => body.append("file", file, path));
    const metadata = {};
    this.form.querySelectorAll("[data-type]").forEach((field) => {
      if (field.value !== "") {
        metadata[field.name.replace(/^meta\./, "")] = typed(field.value, field.dataset.type);
      }
    });
    if (Object.keys(metadata).length) {
      body.append("metadata", JSON.stringify(metadata));
    }
    return body;
  }

  progress(sentOfPortion) {
    const { total, sent } = this.bytes;
    const words = `Sending ${number.format(this.counts.total)} ${this.counts.total === 1 ? "file" : "files"}`;
    const bar = element("progress", "", { max: String(total || 1), value: String(sent + sentOfPortion), "aria-label": words });
    this.said.hidden = false;
    this.said.replaceChildren(element("p", words), bar);
  }

  report() {
    const { taken, same } = this.counts;
    const parts = [
      taken && `${number.format(taken)} taken in`,
      same && `${number.format(same)} unchanged`,
      this.refused.length && `${number.format(this.refused.length)} refused`,
    ].filter(Boolean);
    const list = element("ul", "");
    this.refused.forEach(({ path, reason }) => {
      const item = element("li", "", { class: "reason" });
      item.append(element("bdi", path), `: ${withoutName(reason, path)}`);
      list.append(item);
    });
    this.said.hidden = false;
    this.said.replaceChildren(element("p", `${parts.join(", ") || "Nothing to send"}.`), list);
  }
}

/** The server begins its reason with the file's name, which stands there already. */
function withoutName(reason, path) {
  return reason.startsWith(`${path}: `) ? reason.slice(path.length + 2) : reason;
}

function typed(value, type) {
  if (type === "number") {
    return Number(value);
  }
  return type === "boolean" ? value === "true" : value;
}

/** Posts a form; fetch cannot tell how much has gone out, so this is the older way. Never throws. */
function post(address, body, onSent) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => onSent(event.loaded));
    request.addEventListener("load", () => {
      resolve({ status: request.status, json: parsed(request.responseText), reason: `the server answered ${request.status}` });
    });
    ["error", "abort", "timeout"].forEach((name) =>
      request.addEventListener(name, () => resolve({ status: 0, json: {}, reason: "the server could not be reached" })),
    );
    request.send(body);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
