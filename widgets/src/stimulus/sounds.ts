/** The choice of another stimulus: the first one, a synthetic sound with its sliders, a file, or a painting. */

import { Cleanup, element, setAttribute, setText } from "../base/dom";
import type { BenchModel } from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import { type Around, mountPanel } from "../panels/mount-panel";
import { keepKeys } from "../ui/host-keys";

interface Slider {
  name: string;
  label: string;
  value: number;
  /** The slider moves the logarithm to this base; null where it moves the value. */
  base: number | null;
  digits: number;
  min: number;
  max: number;
  step: number;
}
/** Sounds that are a panel of their own. */
const PANELS = ["file", "paint"];

export function mountSounds(given: BenchModel, el: HTMLElement, around?: Around): () => void {
  const cleanup = new Cleanup();
  const status = element("p.db-message", { role: "status", "aria-live": "polite" });
  const model = delivering(given, () => setText(status, LOST));
  const client = Math.random().toString(36).slice(2, 12);
  const { options } = model.get("info") as { options: [string, string][] };
  const choice = element("select.db-input", { "aria-label": "sound" });
  choice.append(...options.map(([label, value]) => element("option", { value }, label)));
  const knobs = element("div.db-sound-knobs");
  const inside = element("div.db-inside");
  const root = element("div.deepstrf-bench.db-view-sounds", { tabindex: -1 }, choice, knobs, inside, status);
  keepKeys(root, cleanup);
  el.append(root);
  cleanup.add(() => root.remove());
  cleanup.listen(choice, "change", () => model.send({ type: "choose", value: choice.value }));

  let close: (() => void) | null = null;
  let shown = "";
  cleanup.add(() => close?.());
  const paintChoice = () => {
    const chosen = String(model.get("chosen"));
    choice.value = chosen;
    if (chosen === shown) return;
    shown = chosen;
    close?.();
    inside.replaceChildren();
    close = PANELS.includes(chosen) ? mountPanel(model, chosen, client, inside, around) : null;
  };
  const paintKnobs = () => {
    const sliders = (model.get("sliders") as Slider[] | undefined) ?? [];
    const names = sliders.map(({ name }) => name);
    const there = [...knobs.children].map((row) => (row as HTMLElement).dataset.knob);
    if (there.join() !== names.join()) {
      knobs.replaceChildren(...sliders.map((slider) => knobOf(slider, model)));
    }
    for (const [i, slider] of sliders.entries()) paintKnob(knobs.children[i] as HTMLElement, slider);
  };
  const paintStatus = () => {
    const error = String(model.get("message") || model.get("error") || "");
    setText(status, error || String(model.get("status") ?? ""));
    status.classList.toggle("db-error", error !== "");
    setAttribute(status, "role", error ? "alert" : "status");
  };
  const painters = {
    ...{ chosen: paintChoice, sliders: paintKnobs },
    ...{ status: paintStatus, message: paintStatus, error: paintStatus },
  };
  for (const [trait, paint] of Object.entries(painters)) {
    model.on(`change:${trait}`, paint);
    cleanup.add(() => model.off(`change:${trait}`, paint));
    paint();
  }
  return () => cleanup.run();
}

function knobOf({ name, label, base, min, max, step }: Slider, model: BenchModel): HTMLElement {
  const input = element("input", { type: "range", min, max, step, "aria-label": label });
  const row = element(
    "label.db-sound-knob",
    { "data-knob": name },
    element("span", {}, label),
    input,
    element("output"),
  );
  input.addEventListener("input", () => {
    const value = base === null ? Number(input.value) : base ** Number(input.value);
    model.send({ type: "turn", knob: name, value });
  });
  return row;
}

function paintKnob(row: HTMLElement, { value, base, digits }: Slider): void {
  const input = row.querySelector("input") as HTMLInputElement;
  // What the user holds is ahead of the kernel.
  if (!input.matches(":active"))
    input.value = String(base === null ? value : Math.log(value) / Math.log(base));
  const text = value.toFixed(digits);
  setAttribute(input, "aria-valuetext", text);
  setText(row.querySelector("output") as Element, text);
}
