// A conversation to keep: the server's export, as a file.

import { get, path } from "./api.js";

export async function exportConversation(id, format) {
  const type = format === "json" ? "application/json" : "text/markdown";
  const told = await get(path("conversations", id, "export"), type);
  download(`conversation-${id}.${format === "json" ? "json" : "md"}`, format === "json" ? JSON.stringify(told, null, 2) : told, type);
}

function download(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
