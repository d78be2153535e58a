// Names for people out of names for programs.

/** `IssuesAndRepairsAgent` → `Issues and Repairs`. */
export function agentName(name) {
  const words = String(name ?? "").replace(/_?agent$/i, "").split(/[_\s-]+|(?<=[a-z0-9])(?=[A-Z])/).filter(Boolean);
  return words.map((word) => (/^(and|or|of|for|the)$/i.test(word) ? word.toLowerCase() : word[0].toUpperCase() + word.slice(1))).join(" ") || String(name ?? "");
}

/** `look_up_item`, `/0/look_up_item` → `Look up item`. */
export function toolName(name) {
  const words = String(name ?? "").replace(/^\/(.*\/)?|[_-]+/g, " ").trim();
  return words ? words[0].toUpperCase() + words.slice(1) : "";
}

/** A colour (0 to 7, see the style sheet) that stays with an agent: its place in the team. */
export function agentHue(name, agents = []) {
  const place = agents.indexOf(name);
  return (place < 0 ? (name ?? "").length : place) % 8;
}

/** Hand-offs are drawn as dividers; the tool call that asked for one says nothing more. */
export const isHandOff = (tool) => /^transfer_(back_)?to_/.test(tool ?? "");

/** 128 random bits. Also without a secure context, where `crypto.randomUUID` is missing. */
export const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
