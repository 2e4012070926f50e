/** A fit that moves the bench: play, pause, step, the way back through it, pins, and what it is done with. */

import { floats } from "../base/bytes";
import { Cleanup, closest, element, setAttribute, setText } from "../base/dom";
import { fixed, typedNumber } from "../base/format";
import type { BenchModel } from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import { button } from "../ui/button";
import { keepKeys } from "../ui/host-keys";
import { icon } from "../ui/icons";
import { type Curve, lastOf, Sparkline } from "./curves";

const PINS = ["gaussian", "field", "curve", "prefilter"] as const;
type Pinned = (typeof PINS)[number];
type Setting = "loss" | "smoothness" | "sparsity" | "batch_size" | "noise" | "share" | "speed";

export interface Status {
  state: "ready" | "playing" | "paused" | "done" | "failed";
  message: string;
  steps: number;
  last: number;
  rate: number | null;
  can_reset: boolean;
  can_repeat: boolean;
  exact: boolean;
  rates: Record<string, number>;
  settings: Record<Setting, number | string | null>;
  pinned: Record<Pinned, boolean | null>;
}

const PIN_LABELS: Record<Pinned, [string, string]> = {
  gaussian: ["Gaussian", "the selected Gaussian (P)"],
  field: ["Field", "the receptive field on screen"],
  curve: ["Curve", "the output curve on screen"],
  prefilter: ["Prefilter", "the prefilter of all neurons"],
};
const RATE_LABELS: Record<string, string> = {
  prefilter: "prefilter",
  places: "places, widths",
  weights: "weights",
  gain: "gain, offset",
  curve: "output curve",
  network: "network",
};
const NUMBERS: [Exclude<Setting, "loss">, string, string, string][] = [
  ["smoothness", "smoothness", "auto", "How much a rough receptive field costs; empty: what suits the model"],
  ["sparsity", "sparsity", "0", "How much an evenly spread receptive field costs"],
  ["batch_size", "sounds a step", "2", "Sounds in one step of the optimizer"],
  ["noise", "noise", "0", "Noise on the sounds of the fit, in standard deviations of their bins"],
  [
    "share",
    "share of data",
    "auto",
    "How much of each sound is fitted, 0 to 1; the rest gives the held-out score",
  ],
  ["speed", "steps/s at most", "no limit", "Slower, to watch"],
];
/** What Python takes as nothing said, or its own default. */
const EMPTY: Record<Exclude<Setting, "loss">, number | null> = {
  ...{ smoothness: null, sparsity: 0, batch_size: 2, noise: 0, share: null, speed: null },
};

export function stateText({ state, steps, rate }: Status): string {
  const words = {
    ready: "Not played yet",
    playing: "Playing",
    paused: "Paused",
    done: "Done",
    failed: "Stopped",
  }[state];
  const pace = state === "playing" && rate !== null ? ` · ${fixed(rate, rate < 10 ? 1 : 0)} steps/s` : "";
  return `${words} · step ${steps}${pace}`;
}

/** What a field asks for: a number, nothing, or null where it is no number. */
export function numberIn(text: string): number | "" | null {
  if (text.trim() === "") return "";
  const value = typedNumber(text);
  return Number.isFinite(value) ? value : null;
}

export function mountPlay(given: BenchModel, el: HTMLElement): () => void {
  const cleanup = new Cleanup();
  const message = element("p.db-message.db-error", { role: "status", "aria-live": "polite" });
  const model = delivering(given, () => setText(message, LOST));
  const status = () => model.get("status") as Status;
  const send = (type: string, more: object = {}) => model.send({ type, ...more });

  const play = button("Play: gradient descent from where the model stands", "Play", "text");
  play.classList.add("db-play-main");
  const step = button("One step of the optimizer", "Step", "text");
  const state = element("span.db-play-state", { role: "status" });
  const reset = button("Back to where the run began", "To the start", "text");
  const fresh = button("Random values, as the model's constructor draws them", "New random start", "text");
  const again = button("The same random values again", "Same start", "text");
  const first = element("div.db-play-row", {}, play, step, state);
  const starts = element("div.db-play-row", {}, reset, fresh, again);

  const loss = new Sparkline("training loss over the steps");
  const score = new Sparkline("held-out score of this neuron over the steps");
  const lossText = element("span.db-muted");
  const scoreText = element("span.db-muted");
  const scrub = element("input.db-play-scrub", {
    type: "range",
    min: 0,
    max: 1,
    value: 0,
    step: 1,
    "aria-label": "step of the run on screen",
  });
  const best = button("The step with the highest held-out score", "Best", "text");
  const curves = element(
    "div.db-play-curves",
    {},
    element("div", {}, lossText, loss.element as unknown as HTMLElement),
    element("div", {}, scoreText, score.element as unknown as HTMLElement),
  );
  const back = element("div.db-play-row", {}, scrub, best);

  const pins = PINS.map((what) => {
    const [label, title] = PIN_LABELS[what];
    const made = button(`Pin ${title}: Play leaves it as it is`, label, "text");
    made.dataset.pin = what;
    return made;
  });
  const pinRow = element(
    "div.db-play-row",
    { role: "group", "aria-label": "Pins" },
    element("span.db-muted", {}, "Pin:"),
    ...pins,
  );

  const fields = new Map<string, HTMLInputElement>();
  const field = (key: string, label: string, title: string, placeholder: string) => {
    const input = element("input.db-play-number", { type: "text", inputmode: "decimal", placeholder, title });
    input.dataset.key = key;
    fields.set(key, input);
    return element("label.db-play-field", {}, `${label} `, input);
  };
  const choice = element("select", { title: "What is made small", "aria-label": "loss" });
  for (const [value, label] of [
    ["auto", "what suits the model"],
    ["poisson", "Poisson"],
    ["squares", "squared error"],
  ])
    choice.append(element("option", { value }, label));
  const rates = element("div.db-play-fields", { role: "group", "aria-label": "Step sizes" });
  const rest = element(
    "div.db-play-fields",
    { role: "group", "aria-label": "Settings" },
    element("label.db-play-field", {}, "loss ", choice),
    ...NUMBERS.map(([key, label, placeholder, title]) => field(key, label, title, placeholder)),
  );
  const settings = element(
    "details.db-play-settings",
    {},
    element("summary", {}, "Step sizes, loss, priors, data"),
    element("p.db-muted", {}, "Step sizes (learning rates):"),
    rates,
    rest,
  );
  const root = element(
    "div.deepstrf-bench.db-view-play",
    { tabindex: -1 },
    first,
    message,
    curves,
    back,
    pinRow,
    starts,
    settings,
  );
  keepKeys(root, cleanup);
  el.append(root);
  cleanup.add(() => root.remove());

  cleanup.listen(play, "click", () => send(status().state === "playing" ? "pause" : "play"));
  cleanup.listen(step, "click", () => send("step"));
  cleanup.listen(reset, "click", () => send("reset"));
  cleanup.listen(fresh, "click", () => send("new"));
  cleanup.listen(again, "click", () => send("repeat"));
  cleanup.listen(best, "click", () => send("best"));
  let scrubbing = false;
  cleanup.listen(scrub, "input", () => {
    scrubbing = true;
    send("show", { step: Number(scrub.value) });
  });
  cleanup.listen(scrub, "change", () => {
    scrubbing = false;
  });
  cleanup.listen(pinRow, "click", (event) => {
    const what = closest(event.target, "[data-pin]")?.dataset.pin;
    if (what) send("pin", { what });
  });
  cleanup.listen(choice, "change", () => send("set", { settings: { loss: choice.value } }));
  cleanup.listen(settings, "change", (event) => {
    const input = event.target as HTMLInputElement;
    const key = input.dataset?.key;
    if (!key) return;
    const value = numberIn(input.value);
    if (value === null) {
      setText(message, `${key} must be a number, got ${input.value}`);
      return;
    }
    if (key.startsWith("rate:")) {
      if (value !== "") send("rate", { group: key.slice(5), value });
    } else {
      const chosen = value === "" ? EMPTY[key as keyof typeof EMPTY] : value;
      send("set", { settings: { [key]: chosen } });
    }
  });

  const show = (input: HTMLInputElement | undefined, value: number | string | null) => {
    if (!input || input === input.ownerDocument.activeElement) return;
    input.value = value === null ? "" : String(value);
  };
  const paint = () => {
    const now = status();
    const playing = now.state === "playing";
    setText(state, stateText(now));
    setText(message, String(model.get("error") || now.message || ""));
    if (play.dataset.playing !== String(playing)) {
      play.dataset.playing = String(playing);
      play.replaceChildren(icon(playing ? "pause" : "play"), playing ? " Pause" : " Play");
      play.title = playing ? "Rest after this step" : "Play: gradient descent from where the model stands";
    }
    play.disabled = now.exact && now.state === "done";
    step.disabled = playing || play.disabled;
    reset.disabled = !now.can_reset;
    again.disabled = !now.can_repeat;
    best.disabled = scrub.disabled = now.last === 0;
    scrub.max = String(Math.max(now.last, 1));
    if (!scrubbing) scrub.value = String(now.steps);
    setAttribute(scrub, "aria-valuetext", `step ${now.steps} of ${now.last}`);
    const all = floats(model.get("curves"));
    const count = all.length / 3;
    const curve = (i: number): Curve => ({
      steps: all.subarray(0, count),
      values: all.subarray(i * count, (i + 1) * count),
    });
    loss.paint(curve(1), now.last, now.steps);
    score.paint(curve(2), now.last, now.steps);
    const [lossNow, scoreNow] = [lastOf(curve(1)), lastOf(curve(2))];
    setText(lossText, `training loss ${Number.isNaN(lossNow) ? "–" : lossNow.toPrecision(4)}`);
    setText(scoreText, `held-out r ${Number.isNaN(scoreNow) ? "–" : fixed(scoreNow, 3)}`);
    for (const [i, what] of PINS.entries()) {
      pins[i].disabled = now.pinned[what] === null;
      setAttribute(pins[i], "aria-pressed", String(now.pinned[what] === true));
    }
    const groups = Object.keys(now.rates);
    if (rates.childElementCount !== groups.length) {
      rates.replaceChildren(
        ...groups.map((group) =>
          field(
            `rate:${group}`,
            RATE_LABELS[group] ?? group,
            `Step size of ${RATE_LABELS[group] ?? group}; 0: it rests`,
            "",
          ),
        ),
      );
    }
    for (const group of groups) show(fields.get(`rate:${group}`), now.rates[group]);
    for (const [key] of NUMBERS) show(fields.get(key), now.settings[key]);
    choice.value = String(now.settings.loss);
    for (const input of [choice, ...fields.values()])
      (input as HTMLInputElement).disabled = now.exact && (input as HTMLElement).dataset.key !== "speed";
    fresh.disabled = now.exact;
  };
  for (const trait of ["status", "curves", "error"]) {
    model.on(`change:${trait}`, paint);
    cleanup.add(() => model.off(`change:${trait}`, paint));
  }
  paint();
  return () => cleanup.run();
}
