/** Why the response is as high as it is at one moment: the sound under the field, the products, and their sum in numbers. */

import { clamp } from "../base/clamp";
import { type Cleanup, element, pointIn, setAttribute, setHidden, setText } from "../base/dom";
import { fixed, frequency, milliseconds, number } from "../base/format";
import { diverging, ramp } from "../draw/colormap";
import { fillImage } from "../draw/heatmap";
import { extent } from "../draw/line";
import { type Frames, PaintInputs } from "../draw/surface";
import type { Theme } from "../draw/theme";
import { bandToHz, frameToLagMs } from "../math/units";
import type { BenchState } from "../state/bench-state";
import type { Explanation } from "../state/moment";

const INVITATION = "Point at the response, or press Enter on it, to see what it is made of there.";

/** The pictures of one channel. */
interface Channel {
  stretch: HTMLCanvasElement;
  products: HTMLCanvasElement;
  sum: HTMLElement;
  element: HTMLElement;
}

export class WhyPanel {
  readonly element = element("section.db-why", {
    "aria-label": "Why the response is as high as it is",
    hidden: true,
  });
  readonly #title = element("strong");
  readonly #readout = element("span.db-readout");
  readonly #pictures = element("div.db-why-pictures");
  readonly #sum = element("p.db-why-sum", { role: "status" });
  readonly #painted = new PaintInputs();
  #channels: Channel[] = [];
  #shown: Explanation | null = null;
  /** Colours reach as far as the farthest value since the neuron or the sound was chosen: moments can be compared. */
  #reach = { of: [] as unknown[], low: 0, high: 0, product: 0 };

  readonly #state: BenchState;
  readonly #frameQueue: Frames;
  readonly #theme: () => Theme;

  constructor(state: BenchState, frameQueue: Frames, theme: () => Theme, cleanup: Cleanup) {
    this.#state = state;
    this.#frameQueue = frameQueue;
    this.#theme = theme;
    const head = element("div.db-why-head", {}, this.#title, this.#readout);
    this.element.append(head, this.#pictures, this.#sum);
    cleanup.listen<PointerEvent>(this.#pictures, "pointermove", (event) => this.#onHover(event));
    cleanup.listen(this.#pictures, "pointerleave", () => setText(this.#readout, ""));
    state.watch(
      cleanup,
      [
        "moment",
        "lanes",
        "info",
        "stimulus",
        "field",
        "prefilter",
        "curve",
        "rate",
        "peek",
        "neuron",
        "connection",
      ],
      () => this.requestPaint(),
    );
  }

  requestPaint(): void {
    this.#frameQueue.request(this.#paint);
  }

  readonly #paint = (): void => {
    const state = this.#state;
    const open = state.lanes.includes("why");
    setHidden(this.element, !open);
    if (!open) return;
    const found = state.moment.explanation();
    this.#shown = found;
    setAttribute(this.element, "data-old", found !== null && state.moment.old);
    setHidden(this.#pictures, found === null);
    if (!found) {
      const reason = state.moment.frame === null ? INVITATION : state.moment.text;
      setText(this.#title, state.moment.frame === null ? "Why is the response high?" : "");
      this.#sum.replaceChildren(reason);
      return;
    }
    const seconds = ((found.frame + 0.5) * state.info.dt_ms) / 1000;
    const trained = state.peek ? ", as trained" : "";
    setText(
      this.#title,
      `Why ${number(found.rate, 2)} ${state.info.rate_unit} at ${fixed(seconds, 3)} s${trained}?`,
    );
    this.#paintPictures(found);
    this.#paintSum(found);
  };

  #paintPictures(found: Explanation): void {
    const { shape, stretch, products, channelNames } = found;
    const [C, F, T] = shape;
    const theme = this.#theme();
    this.#build(C, channelNames, found.isGradient);
    this.#stretchRanges(found);
    const { low, high, product } = this.#reach;
    if (!this.#painted.changedSince(stretch, products, low, high, product, theme)) return;
    this.#channels.forEach((channel, c) => {
      const colours = ramp(theme.panel, c === 1 && C === 2 ? theme.off : theme.on);
      fillImage(channel.stretch, stretch, F, T, [low, high], colours, c * F * T);
      fillImage(channel.products, products, F, T, [-product, product], diverging(theme.dark), c * F * T);
      setText(channel.sum, number(found.sums[c], 3));
    });
  }

  #build(C: number, names: string[], isGradient: boolean): void {
    const key = [C, ...names, isGradient].join("/");
    if (this.#pictures.dataset.of === key) return;
    this.#pictures.dataset.of = key;
    const field = isGradient ? "gradient" : "field";
    this.#channels = Array.from({ length: C }, (_, c) => {
      const name = names[c] ?? `channel ${c + 1}`;
      const canvas = (what: string) => element("canvas.db-picture", { role: "img", "aria-label": what });
      const stretch = canvas(`${name}: sound under the ${field}, frequency upward, now at the right`);
      const products = canvas(`${name}: sound times ${field}, bin by bin`);
      const sum = element("b");
      const channel = C === 2 ? c : null;
      const figure = (picture: HTMLElement, ...caption: (string | Node)[]) =>
        element(
          "figure.db-why-figure",
          {},
          element("figcaption", { "data-channel": channel }, ...caption),
          picture,
        );
      const both = [figure(stretch, `${name} sound`), figure(products, `× ${field}, sum `, sum)];
      return { stretch, products, sum, element: element("div.db-why-channel", { "data-index": c }, ...both) };
    });
    this.#pictures.replaceChildren(...this.#channels.map((channel) => channel.element));
  }

  #stretchRanges({ stretch, products }: Explanation): void {
    const state = this.#state;
    const of = [state.neuron, state.stimulus, state.info, state.peek];
    if (of.some((value, i) => value !== this.#reach.of[i])) this.#reach = { of, low: 0, high: 0, product: 0 };
    const [low, high] = extent(stretch) ?? [0, 0];
    const [least, most] = extent(products) ?? [0, 0];
    this.#reach.low = Math.min(this.#reach.low, low);
    this.#reach.high = Math.max(this.#reach.high, high);
    this.#reach.product = Math.max(this.#reach.product, -least, most);
  }

  /** The equation: products + bias, batch norm, drive, output curve, rate. */
  #paintSum(found: Explanation): void {
    const { info, psth } = this.#state;
    const { sums, channelNames, bias, gain, offset, drive, rate, isGradient } = found;
    const terms: (string | Node)[] = [];
    sums.forEach((sum, c) => {
      const named = element("span.db-why-term", { "data-channel": sums.length === 2 ? c : null });
      named.append(`${channelNames[c] ?? `channel ${c + 1}`} ${number(sum, 3)}`);
      terms.push(...(c > 0 ? [" + "] : []), named);
    });
    terms.push(` + ${isGradient ? "rest" : "bias"} ${number(bias, 3)}`);
    if (isGradient) terms.push(" (not linear here)");
    else {
      const total = sums.reduce((all, one) => all + one, 0) + bias;
      if (gain !== 1 || offset !== 0) {
        terms.push(
          ` = ${number(total, 3)}, × gain ${number(gain, 3)} + shift ${number(offset, 3)} (batch norm)`,
        );
      }
      terms.push(" = drive ", element("b", {}, number(drive, 3)));
      terms.push(` → ${info.activation.label || "output curve"}`);
    }
    terms.push(isGradient ? " = rate " : " → rate ", element("b", {}, number(rate, 3)));
    const recorded = psth[found.frame];
    if (info.has_responses) {
      terms.push(Number.isNaN(recorded) ? " (nothing recorded)" : ` (recorded ${number(recorded, 2)})`);
    }
    this.#sum.replaceChildren(...terms);
  }

  /** The numbers of the bin under the pointer. */
  #onHover(event: PointerEvent): void {
    const found = this.#shown;
    const at = this.#channels.findIndex(({ element: one }) => one.contains(event.target as Node));
    const canvas = event.target;
    if (!found || at < 0 || !(canvas instanceof HTMLCanvasElement)) {
      setText(this.#readout, "");
      return;
    }
    const [, F, T] = found.shape;
    const { x, y } = pointIn(canvas, event);
    const column = clamp(Math.floor((x / canvas.clientWidth) * T), 0, T - 1);
    const row = clamp(F - 1 - Math.floor((y / canvas.clientHeight) * F), 0, F - 1);
    const i = (at * F + row) * T + column;
    const { cfHz, dtMs, delayMs, F: bands } = this.#state.axes;
    const where = bands === F ? frequency(bandToHz(row, cfHz)) : `band ${row + 1}`;
    const lag = milliseconds(frameToLagMs(column, T, dtMs, delayMs));
    const sound = found.stretch[i];
    const heard = Number.isNaN(sound)
      ? "before the sound"
      : `sound ${number(sound, 3)}, product ${number(found.products[i], 3)}`;
    setText(this.#readout, `${found.channelNames[at] ?? ""} ${where}, ${lag}: ${heard}`);
  }
}
