/**
 * The adaptation editor: time constants of ON and OFF and the weight of the past over frequency, and the kernels of the
 * selected band.
 */

import { type Cleanup, consume, element, setAttribute, setHidden, setText } from "../../base/dom";
import { frequency } from "../../base/format";
import { Eased, type Frames, PaintInputs, Surface } from "../../draw/surface";
import { reducedMotion, type Theme } from "../../draw/theme";
import { type BandFilter, depletionOf, filtersOf, steadyDepletion, valuesOf } from "../../math/prefilters";
import type { BenchState } from "../../state/bench-state";
import { Segments } from "../../ui/segments";
import { StageEditor } from "../stage-editor";
import { type Curve, isTau, levelOf, ROUNDER, rounded, tauRange } from "./curves";
import { ACTIVE_KEYS, PrefilterGestures } from "./gestures";
import { PrefilterInspector } from "./inspector";
import { PrefilterMarks, pastReach } from "./marks";
import { drawStill, type Layout, layoutOf, plotOf } from "./plot";
import { valueText } from "./text";
import { PrefilterTools } from "./tools";

/** From a point to the numbers beside it, and how high they may be, in pixels. */
const TIP = { gap: 18, height: 60 };
/** The kernels' axes suit all bands, but those of the band on screen are to fill as much of them as this. */
const LEAST_SHARE = 0.5;
/** Lags on screen, in time constants and in bins at least. */
const TAUS = 2.5;
const LEAST_BINS = 20;

/** What can be chosen to edit: each time constant, those of both polarities together, w. */
function choicesOf(curves: Curve[]): { value: string; text: string; title: string }[] {
  const choice = (value: string, text: string, what: string) => {
    const [key] = Object.entries(ACTIVE_KEYS).find(([, actives]) => actives.includes(value)) ?? [];
    return { value, text, title: `Edit ${what}${key ? ` (${key})` : ""}` };
  };
  const taus = curves.filter(isTau);
  return [
    ...taus.map(({ key, label }) =>
      choice(key, label || "τ", `the time constants${label && ` of ${label}`}`),
    ),
    ...(taus.length > 1 ? [choice("both", "both", `${namesOf(taus)} together`)] : []),
    ...curves
      .filter((curve) => !isTau(curve))
      .map(({ key, label, what }) => choice(key, label, `the ${what}`)),
  ];
}

const namesOf = (curves: Curve[]) => curves.map(({ label }) => label).join(" and ");

export class PrefilterEditor extends StageEditor {
  readonly element: HTMLElement;
  readonly tools: PrefilterTools;
  readonly gestures: PrefilterGestures;
  readonly #surface: Surface;
  readonly #canvas = element("canvas.db-canvas", { role: "img" });
  readonly #marks = new PrefilterMarks();
  readonly #stage: HTMLElement;
  readonly #caption = element("p.db-adapt-caption", { "aria-hidden": "true" });
  readonly #title = element("h3.db-title");
  readonly #scope = element("span.db-readout");
  readonly #chooser: Segments;
  readonly #back = element("button.db-button", {}, "Revert");
  readonly #inspector: PrefilterInspector;
  readonly #hint = element("p.db-hint");
  readonly #low = new Eased();
  readonly #high = new Eased();
  readonly #lowerLow = new Eased();
  readonly #lowerHigh = new Eased();
  readonly #longest = new Eased();
  readonly #reach = new Eased();
  readonly #framed = new PaintInputs();
  #captioned = "";

  constructor(state: BenchState, frameQueue: Frames, theme: () => Theme, cleanup: Cleanup) {
    super(state, frameQueue, theme);
    const helpId = `db-adapt-help-${state.client}`;
    const help = element(
      "p.db-hidden",
      { id: helpId },
      "Left and right choose the band, up and down change it, with Shift farther; 1 to 4 choose the curve; D, C, B " +
        "and S the tool, Enter uses it there; Delete goes back to the trained value; Escape cancels.",
    );
    this.#stage = element("div.db-stage", {}, this.#canvas, this.#marks.element, this.#caption);
    this.tools = new PrefilterTools(state, () => this.requestPaint(), cleanup);
    this.gestures = new PrefilterGestures(this.tools, this.#stage, helpId, cleanup);
    this.#stage.append(this.gestures.element, this.tip.element);
    this.#chooser = new Segments("Curve", (curve) => this.tools.choose(curve), cleanup);
    this.#inspector = new PrefilterInspector(state, this.tools, cleanup);
    const head = element("div.db-head", {}, this.#title, this.#scope, this.#chooser.element, this.#back);
    this.element = element(
      "section.db-adapt",
      {},
      head,
      this.#stage,
      this.#inspector.element,
      this.#hint,
      help,
    );
    setAttribute(this.element, "aria-label", "Adaptation");
    this.#surface = new Surface(this.#canvas, cleanup, () => this.requestPaint());
    cleanup.listen(this.#back, "click", () => this.tools.revert(null));
    cleanup.listen<KeyboardEvent>(this.element, "keydown", (e) => this.#onKey(e));
    state.watch(cleanup, ["info", "prefilter", "neuron", "peek", "gesture", "pins"], () =>
      this.requestPaint(),
    );
  }

  /** Leave a running drag and end its gesture; `cancel` puts everything back to where it was. */
  release(cancel: boolean): boolean {
    return this.gestures.release(cancel);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.target instanceof HTMLInputElement && event.key !== "Escape") return;
    if (!this.gestures.key(event)) return;
    consume(event);
  }

  // ---- paint ------------------------------------------------------------------------------------------------

  protected readonly paint = (now: number): void => {
    const tools = this.tools;
    const state = this.state;
    const surface = this.#surface;
    const { info, prefilter, axes } = state;
    const trained = state.trained.prefilter;
    const { curves } = tools;
    const plain = curves.length === 0 || prefilter.length < curves.length * axes.F;
    this.#paintHead(plain);
    if (plain || surface.width === 0 || surface.height === 0) return;

    this.#follow(now);
    const ranges = {
      tau: [this.#low.value, this.#high.value] as [number, number],
      lower: this.#isDepression
        ? ([Math.log(this.#lowerLow.value), Math.log(this.#lowerHigh.value)] as [number, number])
        : ([0, 1] as [number, number]),
      longest: this.#longest.value,
      reach: this.#reach.value,
    };
    const layout = layoutOf(surface.width, surface.height, axes.F, tools.lower, ranges);
    const ghosts = !state.peek && trained.length === prefilter.length ? trained : null;
    const colours = this.theme();
    const edited = ghosts ? curves.filter((curve) => tools.edited(curve)) : [];
    const shown = edited.map((curve) => curve.name).join();
    const seen = [surface.width, surface.height, devicePixelRatio, axes, shown, ghosts, colours];
    if (this.#framed.changedSince(...seen, ...ranges.tau, ...ranges.lower, ranges.longest, ranges.reach)) {
      const ctx = surface.begin();
      if (ctx) drawStill(ctx, colours, { layout, axes, edited, trained });
      this.#caption.style.top = `${layout.kernel.box.y - 21}px`;
    }
    const band = Math.min(tools.shown, axes.F - 1);
    const { kind } = this.state.info.prefilter;
    const kernels = filtersOf(kind, prefilter, band, axes.F);
    const before = ghosts ? filtersOf(kind, ghosts, band, axes.F) : [];
    this.#marks.paint({
      layout,
      curves,
      active: tools.activeCurves,
      prefilter,
      F: axes.F,
      dtMs: axes.dtMs,
      taps: info.prefilter.taps,
      band,
      under: tools.under,
      kernels,
      trained: before.filter((b, i) => b.tauMs !== kernels[i].tauMs || b.past !== kernels[i].past),
      resource: this.#isDepression ? this.#resourceOf(band, ghosts, ranges.longest) : [],
    });
    this.gestures.paint(layout);
    this.#paintTip(layout, band);
    this.announcer.announce(now);
  };

  get #isDepression(): boolean {
    return this.tools.lower?.key === "strength";
  }

  /** Share of the resource in a steady sound of the band's mean level, now and (where it was another) as trained. */
  #resourceOf(band: number, ghosts: ArrayLike<number> | null, longest: number): ArrayLike<number>[] {
    const { axes, info, prefilter, stimulus } = this.state;
    const frames = stimulus.length / axes.F;
    let total = 0;
    for (let t = band * frames; t < (band + 1) * frames; t++) total += Math.max(stimulus[t], 0);
    const n = Math.floor(longest / axes.dtMs) + 1;
    const of = (rows: ArrayLike<number>) => {
      const depletion = depletionOf(valuesOf(info.prefilter.kind, rows, band, axes.F), axes.dtMs);
      return steadyDepletion(frames > 0 ? total / frames : 0, depletion, n);
    };
    const edited = ghosts && this.tools.curves.some((c) => this.tools.edited(c));
    return edited ? [of(prefilter), of(ghosts)] : [of(prefilter)];
  }

  protected get dragging(): boolean {
    return this.gestures.dragging;
  }

  protected describe(): void {
    this.#paintCaption();
    this.#inspector.paint();
    this.gestures.updateAria();
    setAttribute(
      this.#back,
      "disabled",
      !this.tools.editableCurves.some((curve) => this.tools.edited(curve)),
    );
  }

  #paintHead(plain: boolean): void {
    const tools = this.tools;
    const state = this.state;
    const { prefilter } = state.info;
    setText(this.#title, `Adaptation${state.peek ? " · trained" : ""}`);
    setHidden(this.#stage, plain);
    setHidden(this.#chooser.element, plain);
    setHidden(this.#back, plain);
    setHidden(this.#scope, plain);
    setHidden(this.#hint, !plain);
    if (plain) {
      setHidden(this.#inspector.element, true);
      const none = "This model takes its spectrogram as it is: there is no adaptation to edit.";
      const other = `The prefilter of this model, ${prefilter.label}, has no curves to edit here: change it from Python.`;
      setText(this.#hint, prefilter.kind === "none" ? none : other);
      return;
    }
    const { curves, activeCurves: active } = tools;
    setHidden(this.#chooser.element, curves.length < 2);
    this.#chooser.paint(choicesOf(curves), tools.active);
    const single = active.length === 1 && isTau(active[0]);
    const of = single ? `the ${active[0].label} curve`.replace("  ", " ") : namesOf(active);
    setAttribute(
      this.#back,
      "title",
      `Take ${of} back to what training left (Delete: the selected band alone)`,
    );
    const scope = state.info.n_neurons > 1 ? "all neurons" : "";
    setText(this.#scope, scope);
    const bands = `${frequency(state.axes.cfHz[0])} to ${frequency(state.axes.cfHz[state.axes.F - 1])}`;
    setAttribute(
      this.#canvas,
      "aria-label",
      `${prefilter.label}: time constants in ms over frequency, ${bands}${tools.lower ? `; below them ${tools.lower.key === "w" ? "the weight of the past, w" : `the ${tools.lower.label}`}` : ""}; ` +
        (this.#isDepression
          ? "at the bottom the resource of one band in a steady sound, time in ms to the right."
          : "at the bottom the kernels of one band, lag in ms to 0 at the right."),
    );
  }

  /** Axes hold still in a gesture and glide to their new ends afterwards. */
  #follow(now: number): void {
    const tools = this.tools;
    const state = this.state;
    const { axes, info } = state;
    const { kind, taps } = info.prefilter;
    if (this.#isDepression) {
      this.#followDepression(now);
      return;
    }
    const taus: number[] = [];
    let [reach, slowest] = [0, 0];
    const own = { reach: 0, slowest: 0 };
    const shown = Math.min(tools.shown, axes.F - 1);
    const include = (kernel: BandFilter, here: boolean) => {
      const size = pastReach(kernel, axes.dtMs, taps);
      taus.push(kernel.tauMs);
      reach = Math.max(reach, size);
      slowest = Math.max(slowest, kernel.tauMs);
      if (!here) return;
      own.reach = Math.max(own.reach, size);
      own.slowest = Math.max(own.slowest, kernel.tauMs);
    };
    for (const from of [state.prefilter, state.trained.prefilter]) {
      if (from.length !== state.prefilter.length) continue;
      for (let band = 0; band < axes.F; band++) {
        for (const kernel of filtersOf(kind, from, band, axes.F)) include(kernel, band === shown);
      }
    }
    const glide = !reducedMotion();
    const wanted = rounded(Math.min(reach, own.reach / LEAST_SHARE) || 1, true, ROUNDER);
    const hold = state.inGesture && Number.isFinite(this.#low.value);
    if (!hold) {
      const limits = tools.curves.filter(isTau);
      const [low, high] = tauRange(
        taus,
        Math.min(...limits.map((c) => c.low)),
        Math.max(...limits.map((c) => c.high)),
      );
      const end = (taps - 1) * axes.dtMs;
      const lags = TAUS * Math.min(slowest, own.slowest / LEAST_SHARE);
      const long = Number.isFinite(lags)
        ? Math.max(rounded(lags, true, ROUNDER), LEAST_BINS * axes.dtMs)
        : end;
      this.#low.aim(low, now, glide);
      this.#high.aim(high, now, glide);
      this.#longest.aim(Math.max(Math.min(long, end), 2 * axes.dtMs), now, glide);
      this.#reach.aim(wanted, now, glide);
    } else if (own.reach > this.#reach.value) this.#reach.aim(wanted, now, false);
    const moving = [this.#low, this.#high, this.#longest, this.#reach].map((eased) => eased.step(now));
    if (moving.some(Boolean)) this.requestPaint();
  }

  /** As `#follow`, of a depression: axes of tau and strength, and as much time as the slowest band needs. */
  #followDepression(now: number): void {
    const state = this.state;
    const { axes } = state;
    const valuesOf = ({ row }: Curve) =>
      [state.prefilter, state.trained.prefilter].flatMap((from) =>
        Array.from({ length: axes.F }, (_, band) => from[row * axes.F + band]),
      );
    const glide = !reducedMotion();
    const ends: [Eased, Eased][] = [
      [this.#low, this.#high],
      [this.#lowerLow, this.#lowerHigh],
    ];
    const hold = state.inGesture && Number.isFinite(this.#low.value);
    for (const curve of hold ? [] : this.tools.curves) {
      const [low, high] = tauRange(valuesOf(curve), curve.low, curve.high);
      const [first, last] = ends[isTau(curve) ? 0 : 1];
      first.aim(low, now, glide);
      last.aim(high, now, glide);
    }
    if (!hold) {
      const taus = this.tools.curves.filter(isTau).flatMap(valuesOf).filter(Number.isFinite);
      const longest = rounded(TAUS * Math.max(...taus, axes.dtMs), true, ROUNDER);
      this.#longest.aim(Math.max(longest, LEAST_BINS * axes.dtMs), now, glide);
      this.#reach.aim(1, now, false);
    }
    const moving = [...ends.flat(), this.#longest, this.#reach].map((eased) => eased.step(now));
    if (moving.some(Boolean)) this.requestPaint();
  }

  /** The numbers beside the point that moves. */
  #paintTip(layout: Layout, band: number): void {
    const tools = this.tools;
    const state = this.state;
    const active = tools.activeCurves;
    const [first] = active;
    if (!tools.busy || !first) {
      this.tip.hide();
      return;
    }
    const { axes, prefilter } = state;
    const plot = plotOf(layout, first);
    const x = plot.x(band);
    const y = plot.y(levelOf(first, prefilter[first.row * axes.F + band]));
    const { box } = plot;
    const left = `clamp(${box.x}px, ${x.toFixed(0)}px - 50%, ${box.x + box.width}px - 100%)`;
    const above = y > layout.tau.box.y + TIP.height;
    const top = above ? `calc(${(y - TIP.gap).toFixed(0)}px - 100%)` : `${(y + TIP.gap).toFixed(0)}px`;
    const line = (curve: Curve) => {
      const text = valueText(curve, prefilter[curve.row * axes.F + band], axes.dtMs);
      return `${curve.label}${isTau(curve) ? " τ" : ""} ${text}`.trim();
    };
    this.tip.put(() => [frequency(axes.cfHz[band]), ...active.map(line)].join("\n"), left, top);
  }

  /** Numbers of the band whose kernels are shown. */
  #paintCaption(): void {
    const tools = this.tools;
    const state = this.state;
    const { axes, prefilter } = state;
    const band = Math.min(tools.shown, axes.F - 1);
    const parts = tools.curves.map((curve) => {
      const text = valueText(curve, prefilter[curve.row * axes.F + band], axes.dtMs);
      return { key: curve.key, text: `${curve.label || "τ"} ${text}` };
    });
    const text = [frequency(axes.cfHz[band]), ...parts.map((part) => part.text)].join();
    if (text === this.#captioned) return;
    this.#captioned = text;
    this.#caption.replaceChildren(
      element("strong", {}, frequency(axes.cfHz[band])),
      ...parts.map(({ key, text }) => element("span", { class: `db-adapt-${key}` }, text)),
    );
  }
}
