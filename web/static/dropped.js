// The files of a drop, folders walked through, each with its path inside what was dropped.

/** @returns {Promise<{ file: File, path: string }[]>} hidden files and folders (".git") are passed over */
export async function droppedFiles(transfer) {
  // Entries must be asked for before the first wait: the browser empties the list after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) {
    return [...transfer.files].map((file) => ({ file, path: file.name }));
  }
  const found = [];
  for (const entry of entries) {
    await walk(entry, "", found);
  }
  return found;
}

async function walk(entry, folder, found) {
  if (folder && entry.name.startsWith(".")) {
    return;
  }
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject)).catch(() => null);
    if (file) {
      found.push({ file, path: folder + entry.name });
    }
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A folder's entries come in portions of at most 100.
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)).catch(() => []);
    if (!part.length) {
      return;
    }
    for (const child of part) {
      await walk(child, `${folder}${entry.name}/`, found);
    }
  }
}
