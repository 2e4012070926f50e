/** ON | OFF: which channel of the receptive field is on screen. */

import { type Cleanup, closest, consume, element, setAttribute } from "../dom";
import type { BenchState } from "../state";

export class ChannelChooser {
  readonly element = element("div.db-segments", { role: "radiogroup", "aria-label": "Channel" });
  #names = "";

  readonly #state: BenchState;

  constructor(state: BenchState, cleanup: Cleanup) {
    this.#state = state;
    cleanup.listen(this.element, "click", (e) => {
      const button = closest(e.target, "[data-channel]");
      if (button) state.choose("channel", Number(button.dataset.channel));
    });
    cleanup.listen<KeyboardEvent>(this.element, "keydown", (e) => this.#onKey(e));
    cleanup.add(
      state.onChange((parts) => {
        if (parts.has("channel") || parts.has("info")) this.#paint();
      }),
    );
    this.#paint();
  }

  #paint(): void {
    const { info, channel } = this.#state;
    this.element.hidden = info.n_channels < 2;
    const names = JSON.stringify(info.channel_names);
    if (names !== this.#names) {
      this.#names = names;
      const buttons = Array.from({ length: info.n_channels }, (_, i) => {
        const name = info.channel_names[i] ?? String(i);
        return element("button.db-segment", { type: "button", role: "radio", "data-channel": i }, name);
      });
      this.element.replaceChildren(...buttons);
    }
    for (const button of this.element.children) {
      const on = Number((button as HTMLElement).dataset.channel) === channel;
      setAttribute(button, "aria-checked", String(on));
      setAttribute(button, "tabindex", on ? 0 : -1);
    }
  }

  #onKey(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    const n = this.#state.info.n_channels;
    this.#state.choose("channel", (this.#state.channel + step + n) % n);
    (this.element.children[this.#state.channel] as HTMLElement).focus();
    consume(event);
  }
}
