// Everything here is an addition: the pages work without it. Each part starts where its mark stands in the page.
import { startCopying } from "./copy.js";
import { startLive } from "./live.js";
import { cleanAddress, startRows } from "./manners.js";
import { startSearch } from "./search.js";
import { localTimes } from "./times.js";
import { startUpload } from "./upload.js";

const each = (selector, start) => document.querySelectorAll(selector).forEach((element) => start(element));

localTimes(document);
cleanAddress();
each("[data-search-form]", (form) => startSearch(form, form.closest("[data-search]")));
each("[data-copy]", startCopying);
each("[data-rows]", startRows);
each("[data-live]", (root) => {
  const live = startLive(root);
  root.querySelectorAll("[data-upload]").forEach((form) => startUpload(form, live));
});
