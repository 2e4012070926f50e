/** Two models of the same neurons: fields and their difference, where in the sound they differ, and every score. */

import { floats } from "../base/bytes";
import { Cleanup, closest, element, setAttribute, setText } from "../base/dom";
import { fixed, frequency, signed } from "../base/format";
import { diverging } from "../draw/colormap";
import { fillImage } from "../draw/heatmap";
import { readTheme, watchTheme } from "../draw/theme";
import type { BenchModel } from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import type { Around } from "../panels/mount-panel";
import { button } from "../ui/button";
import { keepKeys } from "../ui/host-keys";

interface Info {
  a: string;
  b: string;
  matching: string;
  dt_ms: number;
  delay_ms: number;
  rate_unit: string;
  has_scores: boolean;
}
export interface Row {
  neuron: number;
  name: string;
  a: number | null;
  b: number | null;
  gain: number | null;
}
interface Moment {
  frame: number;
  difference: number;
}
interface FieldsMessage {
  type: "fields";
  neuron: number;
  text: string;
  shape?: [number, number, number];
  kind?: string;
}

const COLUMNS: [key: keyof Row, title: string][] = [
  ["neuron", "neuron"],
  ["name", "name"],
  ["a", "r of A"],
  ["b", "r of B"],
  ["gain", "A − B"],
];

/** The rows by a column, those without a value last; `down` begins with the largest. */
export function sorted(rows: Row[], by: keyof Row, down: boolean): Row[] {
  const key = (row: Row) => row[by];
  return [...rows].sort((one, two) => {
    const [x, y] = [key(one), key(two)];
    if (x === null || y === null) return Number(x === null) - Number(y === null) || one.neuron - two.neuron;
    const order =
      typeof x === "string" ? x.localeCompare(String(y), undefined, { numeric: true }) : x - Number(y);
    return (down ? -order : order) || one.neuron - two.neuron;
  });
}

export function mountComparison(given: BenchModel, el: HTMLElement, around?: Around): () => void {
  const cleanup = new Cleanup();
  const message = element("p.db-message.db-error", { role: "status", "aria-live": "polite" });
  const model = delivering(given, () => setText(message, LOST));
  const info = model.get("info") as Info;
  const root = element("div.deepstrf-bench.db-view-comparison", { tabindex: -1 });
  keepKeys(root, cleanup);
  el.append(root);
  cleanup.add(() => root.remove());

  const title = element(
    "p.db-inside-text",
    {},
    `A: ${info.a}, on this bench · B: ${info.b} · ${info.matching}`,
  );
  const kind = element("p.db-inside-text", { role: "status" });
  const pictures = ["A", "B", "A − B"].map((name) => {
    const canvas = element("canvas.db-picture", { role: "img", "aria-label": `Field, ${name}` });
    const frame = element("div.db-compare-picture", {}, canvas);
    return {
      name,
      canvas,
      figure: element("figure.db-compare-field", {}, element("figcaption", {}, name), frame),
    };
  });
  const fields = element("div.db-compare-fields", {}, ...pictures.map(({ figure }) => figure));
  const moments = element("div.db-inside-row", { role: "group", "aria-label": "Where they differ most" });
  const head = element("tr");
  const body = element("tbody");
  const table = element("table.db-compare-table", {}, element("thead", {}, head), body);
  const seen = element(
    "div.db-compare-seen",
    {},
    element("h4", {}, "Fields"),
    kind,
    fields,
    element("h4", {}, "Where they differ most"),
    moments,
  );
  const scores = element("div.db-compare-scores", {}, element("h4", {}, "Scores"), table);
  root.append(title, element("div.db-compare", {}, seen, scores), message);

  let by: keyof Row = "neuron";
  let down = false;
  const columns = COLUMNS.filter(([key]) => info.has_scores || key === "neuron" || key === "name");
  for (const [key, text] of columns) {
    const sort = button(`Sort by ${text}`, text);
    cleanup.listen(sort, "click", () => {
      down = by === key ? !down : key === "gain" || key === "a" || key === "b";
      by = key;
      paintRows();
    });
    head.append(element("th", { "data-column": key }, sort));
  }
  cleanup.listen(body, "click", (event) => {
    const neuron = closest(event.target, "[data-neuron]")?.dataset.neuron;
    if (neuron !== undefined) model.send({ type: "choose", neuron: Number(neuron) });
  });
  const value = (row: Row, key: keyof Row): string => {
    const found = row[key];
    if (key === "neuron") return String(row.neuron + 1);
    if (typeof found === "string") return found;
    if (found === null) return "–";
    return key === "gain" ? (found > 0 ? "+" : "") + fixed(found, 3) : fixed(found, 3);
  };
  const paintRows = () => {
    const rows = (model.get("rows") as Row[] | undefined) ?? [];
    const chosen = Number(model.get("neuron") ?? 0);
    body.replaceChildren(
      ...sorted(rows, by, down).map((row) => {
        const cells = columns.map(([key], i) =>
          element("td", {}, i === 0 ? button(`Show ${row.name}`, value(row, key)) : value(row, key)),
        );
        return element(
          "tr",
          { "data-neuron": row.neuron, "aria-current": row.neuron === chosen && "true" },
          ...cells,
        );
      }),
    );
    for (const one of head.children) {
      const on = (one as HTMLElement).dataset.column === by;
      setAttribute(one, "aria-sort", on && (down ? "descending" : "ascending"));
    }
  };

  /** The place where the time cursor is. */
  const markMoment = () => {
    for (const one of moments.querySelectorAll<HTMLElement>("[data-frame]"))
      setAttribute(one, "aria-current", Number(one.dataset.frame) === around?.moment() && "true");
  };
  around?.onMoment(markMoment, cleanup);
  const paintMoments = () => {
    const found = (model.get("moments") as Moment[] | undefined) ?? [];
    const buttons = found.map(({ frame, difference }) => {
      const seconds = fixed(((frame + 0.5) * info.dt_ms) / 1000, 3);
      const one = button(
        `At ${seconds} s A is ${signed(difference, 2)} ${info.rate_unit} from B: go there`,
        `${seconds} s: ${signed(difference, 2)}`,
      );
      one.dataset.frame = String(frame);
      return one;
    });
    const none = element("span.db-muted", {}, "They do not differ on this sound.");
    moments.replaceChildren(...(buttons.length > 0 ? buttons : [none]));
    markMoment();
  };
  cleanup.listen(moments, "click", (event) => {
    const frame = closest(event.target, "[data-frame]")?.dataset.frame;
    if (frame === undefined) return;
    around?.pin(Number(frame));
    root.parentElement?.closest(".deepstrf-bench")?.scrollIntoView({ block: "nearest" });
  });

  let shown: { fields: Float32Array[]; shape: [number, number, number] } | null = null;
  const paintFields = () => {
    fields.hidden = shown === null;
    if (!shown) return;
    const { dark } = readTheme(root);
    const [C, F, T] = shown.shape;
    const [one, two] = shown.fields;
    const difference = one.map((weight, i) => weight - two[i]);
    const end = Math.max(sizeOf(one), sizeOf(two)) || 1;
    for (const [i, values] of [one, two, difference].entries()) {
      // Channels side by side.
      const beside = new Float32Array(C * F * T);
      for (let c = 0; c < C; c++) {
        for (let f = 0; f < F; f++) {
          beside.set(values.subarray((c * F + f) * T, (c * F + f + 1) * T), (f * C + c) * T);
        }
      }
      fillImage(pictures[i].canvas, beside, F, C * T, [-end, end], diverging(dark));
    }
  };
  const received = (content: FieldsMessage, buffers: ArrayLike<unknown>) => {
    if (content?.type !== "fields") return;
    const { text, shape } = content;
    shown = text || !shape ? null : { fields: [floats(buffers[0]), floats(buffers[1])], shape };
    if (shown && shape) {
      const cfHz = floats(model.get("cf_hz"));
      const longest = (shape[2] - 1) * info.dt_ms + info.delay_ms;
      const channels = shape[0] === 2 ? ", ON beside OFF" : "";
      setText(
        kind,
        `${content.kind}, one scale for all; ${frequency(cfHz[0])} to ${frequency(cfHz[cfHz.length - 1])} upward, ${fixed(longest, 0)} ms to now${channels}.`,
      );
    } else setText(kind, text);
    setAttribute(root, "data-of", content.neuron);
    paintFields();
  };
  const paintError = () => setText(message, String(model.get("error") ?? ""));
  const painters = { rows: paintRows, neuron: paintRows, moments: paintMoments, error: paintError };
  for (const [trait, paint] of Object.entries(painters)) {
    model.on(`change:${trait}`, paint);
    cleanup.add(() => model.off(`change:${trait}`, paint));
    paint();
  }
  model.on("msg:custom", received);
  cleanup.add(() => model.off("msg:custom", received));
  watchTheme(root, cleanup, paintFields);
  model.send({ type: "ready" });
  return () => cleanup.run();
}

function sizeOf(values: Float32Array): number {
  return values.reduce((size, value) => Math.max(size, Math.abs(value) || 0), 0);
}
