// A conversation to keep: by the server's export, or out of what the page shows where it has none.

import { Refused, get, path } from "./api.js";
import { agentName, isHandOff, toolName } from "./names.js";
import { t } from "./strings.js";

export async function exportConversation(state, format) {
  const type = format === "json" ? "application/json" : "text/markdown";
  let text;
  try {
    const told = await get(path("conversations", state.id, "export"), type);
    text = format === "json" ? JSON.stringify(told, null, 2) : told;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    text = format === "json" ? JSON.stringify(state, null, 2) : asMarkdown(state);
  }
  download(`conversation-${state.id}.${format === "json" ? "json" : "md"}`, text, type);
}

export function asMarkdown(state) {
  const lines = [];
  for (const turn of state.turns) {
    if (turn.message != null) lines.push(`**${t("you")}:** ${turn.message}`);
    for (const part of turn.parts) {
      if (part.kind === "text") lines.push(`**${agentName(part.agent)}:** ${part.text}`);
      else if (part.kind === "hand_off") lines.push(`*${t("handedOff", { to: agentName(part.to) })}*`);
      else if (!isHandOff(part.name)) lines.push(`*${toolName(part.name)}${part.state ? ` (${t(part.state)})` : ""}*`);
    }
  }
  return `${lines.join("\n\n")}\n`;
}

function download(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
