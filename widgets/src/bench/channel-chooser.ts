/** ON | OFF: which channel of the receptive field is on screen. */

import type { Cleanup } from "../base/dom";
import { setHidden } from "../base/dom";
import type { BenchState } from "../state/bench-state";
import { Segments } from "../ui/segments";

export function channelChooser(state: BenchState, cleanup: Cleanup): HTMLElement {
  const pick = (channel: string) => state.choose("channel", Number(channel));
  const segments = new Segments("Channel", pick, cleanup, "data-channel");
  state.watch(cleanup, ["channel", "info"], () => {
    const { info, channel } = state;
    setHidden(segments.element, info.n_channels < 2);
    const choices = Array.from({ length: info.n_channels }, (_, i) => ({
      value: String(i),
      text: info.channel_names[i] ?? String(i),
    }));
    segments.paint(choices, String(channel));
  });
  return segments.element;
}
