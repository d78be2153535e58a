// Tells a screen reader what happens, in whole sentences. The transcript itself is no live region: it changes with every token.

import { agentName } from "./names.js";
import { Sentences } from "./sentences.js";
import { t } from "./strings.js";

const KEPT = 20; // lines that stay in the region; older ones were read long ago

export class Announcer {
  #region;
  #sentences = new Sentences();
  #speaker = null;

  constructor(region) { this.#region = region; }

  /** One live event of a turn. */
  hear(event) {
    if (event.type === "text_delta") {
      this.#named(event.agent, this.#sentences.push(event.text ?? ""));
      return;
    }
    if (event.type === "reset") this.#sentences = new Sentences();
    if (!["usage", "turn_started"].includes(event.type)) this.#named(event.agent, this.#sentences.flush());
    if (event.type === "handed_off") this.say(t("handedOff", { to: agentName(event.to) }));
    if (event.type === "turn_failed") this.say(event.message ?? t("failed"));
    if (event.type === "turn_stopped") this.say(t("stopped"));
    if (event.type === "turn_started") this.#speaker = null;
  }

  // Who speaks is said once, before the first sentence.
  #named(agent, sentences) {
    for (const sentence of sentences) {
      this.say(agent && agent !== this.#speaker ? `${t("said", { name: agentName(agent) })} ${sentence}` : sentence);
      this.#speaker = agent ?? this.#speaker;
    }
  }

  say(text) {
    const line = document.createElement("p");
    line.textContent = text;
    this.#region.append(line);
    while (this.#region.childElementCount > KEPT) this.#region.firstElementChild.remove();
  }
}
