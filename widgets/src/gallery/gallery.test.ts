// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { diverging } from "../draw/colormap";
import bench from "../entry/gallery";
import type { Bytes } from "../kernel/contract";
import { StaticModel } from "../offline/static-model";
import { GalleryData, nameKey, orderOf, type Ranges, type Sort, TABLE_COLUMNS } from "./data";
import type { GalleryCounters } from "./gallery";
import { byteColours, Thumbnails } from "./thumbnails";

const [N, C, F, T] = [60, 2, 3, 4];
const NAMES = [
  "unit 10",
  "unit 2",
  "Unit 1",
  "<b>bold</b>",
  ...Array.from({ length: N - 4 }, (_, i) => `n${i}`),
];
// The list box is 400 x 300 CSS pixels: a card of two pictures of at most 166 and 18 around them leaves room for 2.
const [WIDTH, HEIGHT, COLUMNS] = [400, 300, 2];

/** best_frequency_hz, latency_ms, bandwidth_oct, separability, on_off, score, score_gain, edited, peak, preferred_hz */
function row(n: number): number[] {
  return [
    1000 + 100 * n,
    5 * (n % 7),
    0.5,
    0.9,
    0.25,
    n === 3 ? Number.NaN : (n % 10) / 10,
    n === 3 ? Number.NaN : 0.1 * ((n % 4) - 1),
    n === 1 ? 1 : 0,
    2,
    n === 2 ? 4200 : Number.NaN,
  ];
}

class Gallery {
  readonly sent: unknown[] = [];
  readonly model: StaticModel;
  readonly el = document.createElement("div");
  readonly stop: () => void;

  constructor(traits: Record<string, unknown> = {}) {
    const table = Float32Array.from(Array.from({ length: N }, (_, n) => row(n)).flat());
    const kernels = Int8Array.from({ length: N * C * F * T }, (_, i) => (i % 255) - 127);
    this.model = new StaticModel(
      {
        view: "gallery",
        info: {
          model: "LinearNonlinear",
          n_neurons: N,
          n_channels: C,
          n_bands: F,
          n_lags: T,
          dt_ms: 5,
          delay_ms: 0,
          channel_names: ["ON", "OFF"],
          has_scores: true,
          has_other: false,
          kernels_given: false,
        },
        names: NAMES,
        cf_hz: new DataView(Float32Array.of(500, 2000, 8000).buffer),
        kernels: new DataView(kernels.buffer),
        table: new DataView(table.buffer),
        selected: 0,
        channel: null,
        columns: 0,
        sort: "index",
        descending: false,
        search: "",
        ranges: {},
        trained: false,
        with_gain: false,
        error: "",
        ...traits,
      },
      (content) => this.sent.push(content),
    );
    document.body.append(this.el);
    this.stop = bench.render({ model: this.model, el: this.el });
    open.push(this);
    frame();
  }

  one<E extends HTMLElement>(selector: string): E {
    return this.el.querySelector<E>(selector)!;
  }
  get grid(): HTMLElement {
    return this.one("[role=listbox]");
  }
  get order(): readonly number[] {
    return (this.one(".deepstrf-bench") as unknown as { __gallery: GalleryCounters }).__gallery.order;
  }
  get painted(): number {
    return (this.one(".deepstrf-bench") as unknown as { __gallery: GalleryCounters }).__gallery.painted;
  }
  /** The cards that exist, in their order on screen. */
  get cards(): HTMLElement[] {
    const shown = [...this.el.querySelectorAll<HTMLElement>("[role=option]")].filter(
      (card) => !card.hidden && !card.parentElement!.hidden,
    );
    const place = (card: HTMLElement) => Number(card.getAttribute("aria-posinset"));
    return shown.sort((a, b) => place(a) - place(b));
  }
  card(neuron: number): HTMLElement | undefined {
    return this.cards.find((card) => card.id.endsWith(`-${neuron}`));
  }
  press(key: string, target: HTMLElement = this.grid): void {
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    frame();
  }
  scrollTo(top: number): void {
    this.grid.scrollTop = top;
    this.grid.dispatchEvent(new Event("scroll"));
    frame();
  }
  type(label: string, text: string): void {
    const input = this.one<HTMLInputElement>(`input[aria-label^="${label}"]`);
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    frame();
  }
}
const open: Gallery[] = [];
const frame = () => vi.advanceTimersByTime(40);

/** What was put into a canvas, and where. */
const put: { left: number; pixels: Uint32Array }[] = [];
beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "requestAnimationFrame", "cancelAnimationFrame"],
  });
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(WIDTH);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(HEIGHT);
  const context = {
    putImageData: (image: ImageData, left: number) =>
      put.push({ left, pixels: new Uint32Array(image.data.buffer.slice(0)) }),
    clearRect: () => {},
  };
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(context as never);
});
afterEach(() => {
  for (const gallery of open.splice(0)) {
    gallery.stop();
    gallery.el.remove();
  }
  put.length = 0;
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("order", () => {
  const data = () => new GalleryData(new Gallery().model);
  const order = (sort: Sort, descending = false, search = "", ranges: Ranges = {}) =>
    orderOf(data(), sort, descending, search, ranges);

  it("sorts by number, name or read-out; equal ones stand by number, those without a value last", () => {
    expect(order("index").slice(0, 3)).toEqual([0, 1, 2]);
    expect(order("index", true).slice(0, 2)).toEqual([59, 58]);
    expect(order("name").slice(0, 2)).toEqual([3, 4]);
    expect(order("name").slice(-3)).toEqual([2, 1, 0]);
    expect(order("best_frequency_hz", true).slice(0, 2)).toEqual([59, 58]);
    expect(order("score").slice(0, 3)).toEqual([0, 10, 20]);
    expect(order("score", true).slice(0, 3)).toEqual([9, 19, 29]);
    expect(order("score").at(-1)).toBe(3);
    expect(order("score", true).at(-1)).toBe(3);
  });

  it("takes the numbers within a name as numbers", () => {
    expect(["unit 2", "unit 10"].map(nameKey).sort()).toEqual(["unit 2", "unit 10"].map(nameKey));
    expect(nameKey("A1b02")).toBe("a000000000001b000000000002");
  });

  it("keeps what has every word and lies within every range, its ends included", () => {
    expect(order("index", false, "UNIT 1")).toEqual([0, 2]);
    expect(order("index", false, "bold")).toEqual([3]);
    expect(order("index", false, "nowhere")).toEqual([]);
    expect(order("index", false, "", { best_frequency_hz: [1200, 1400] })).toEqual([2, 3, 4]);
    expect(order("index", false, "", { best_frequency_hz: [1200, 1400], score: [0, null] })).toEqual([2, 4]);
    expect(order("index", false, "", { best_frequency_hz: [null, 1100] })).toEqual([0, 1]);
  });
});

describe("a second model", () => {
  const withOther = () => {
    const { info } = new GalleryData(new Gallery().model);
    return new Gallery({ info: { ...info, has_other: true } });
  };

  it("gives every neuron a difference of the scores, to sort by and on the cards", () => {
    const gallery = withOther();
    const data = new GalleryData(gallery.model);
    expect(orderOf(data, "score_gain", true, "", {}).slice(0, 3)).toEqual([7, 11, 15]);
    expect(orderOf(data, "score_gain", true, "", {}).at(-1)).toBe(3);
    expect(data.described(2)).toContain("r of A − r of B +0.100");
    const sort = gallery.one<HTMLSelectElement>('select[aria-label="Sorted by"]');
    sort.value = "score_gain";
    sort.dispatchEvent(new Event("change", { bubbles: true }));
    frame();
    expect(gallery.model.get("sort")).toBe("score_gain");
    expect(gallery.cards[0].textContent).toContain("−0.100");
    gallery.cards[1].click();
    expect(gallery.model.get("selected")).toBe(gallery.order[1]);
  });

  it("is not spoken of where there is none", () => {
    const gallery = new Gallery();
    expect(new GalleryData(gallery.model).described(2)).not.toContain("of B");
    expect(gallery.one('option[value="score_gain"]')).toBeNull();
  });
});

describe("data", () => {
  it("describes a neuron with units, and a cell of its receptive field", () => {
    const data = new GalleryData(new Gallery().model);
    expect(data.label(0)).toBe("1 · unit 10");
    expect(data.described(1)).toBe(
      "edited, inhibition 500 Hz, 15 ms, best frequency 1.1 kHz, latency 5.0 ms, bandwidth 0.50 oct, separability 0.90, ON/OFF index +0.25, r = 0.10",
    );
    expect(data.described(3)).toContain("r = –");
    // Cell 5 of neuron 0 holds 5 - 127: band 1, lag 2 of 0..3, so one bin of 5 ms before now; peak 2.
    expect(data.cell(0, { channel: 0, band: 1, lag: 1 })).toBe(
      `ON 2.0 kHz, 10 ms: −${((122 / 127) * 2).toFixed(1)}`,
    );
    expect(data.span()).toBe("0.5–8 kHz");
  });

  it("says where a field inhibits whose largest weight is negative", () => {
    const data = new GalleryData(new Gallery().model);
    data.kernels.fill(0);
    const [band, lag] = [1, F > 0 ? 2 : 0];
    data.kernels[data.cells + band * T + lag] = 80;
    expect(data.described(1)).not.toContain("inhibition");
    data.kernels[data.cells + F * T + band * T + lag] = -127;
    expect(data.described(1)).toMatch(/^edited, inhibition 2\.0 kHz, 5\.0 ms, best frequency 1\.1 kHz/);
  });

  it("takes the rows of a patch over, and the kernels in place for every view of the model", () => {
    const { model } = new Gallery();
    const [data, other] = [new GalleryData(model), new GalleryData(model)];
    const numbers = new DataView(Float32Array.of(...row(5), ...row(6)).buffer) as Bytes;
    const cells = new DataView(new Int8Array(C * F * T).fill(7).buffer) as Bytes;
    data.patch({ type: "patch", rows: [2, 9], kernels: [4] }, [numbers, cells]);
    expect(TABLE_COLUMNS.map((column) => data.value(2, column))).toEqual([...Float32Array.from(row(5))]);
    expect(data.value(9, "best_frequency_hz")).toBe(1600);
    expect([...other.kernels.subarray(4 * C * F * T, 5 * C * F * T)]).toEqual(Array(C * F * T).fill(7));
    expect(other.kernels[4 * C * F * T - 1]).toBe(((4 * C * F * T - 1) % 255) - 127);
    expect(other.kernels[5 * C * F * T]).toBe(((5 * C * F * T) % 255) - 127);
  });
});

describe("thumbnails", () => {
  const colours = diverging(false);

  it("gives -127, 0 and 127 the ends and the middle of the colours", () => {
    const bytes = byteColours(colours);
    expect([bytes[(-127 & 255) as number], bytes[0], bytes[127]]).toEqual([
      colours[0],
      colours[128],
      colours[255],
    ]);
    expect(bytes[128]).toBe(colours[0]);
  });

  it("puts band 0 at the bottom, channels side by side and a gap between them", () => {
    const one = new Thumbnails(F, T, [0, 1], 166, byteColours(colours));
    expect([one.perLag, one.columns, one.width, one.height]).toEqual([18, 2 * T + 1, 162, 69]);
    const field = Int8Array.from({ length: C * F * T }, (_, i) => i);
    const context = document.createElement("canvas").getContext("2d") as CanvasRenderingContext2D;
    one.paint(context, 11, field, 0);
    const colour = (value: number) => byteColours(colours)[value];
    const [{ left, pixels }] = put.slice(-1);
    expect(left).toBe(11);
    expect([...pixels.subarray(0, one.columns)]).toEqual(
      [8, 9, 10, 11].map(colour).concat(0, [20, 21, 22, 23].map(colour)),
    );
    expect([...pixels.subarray(2 * one.columns, 2 * one.columns + T)]).toEqual([0, 1, 2, 3].map(colour));
  });

  it("finds the cell under a place", () => {
    const one = new Thumbnails(F, T, [1], 120, byteColours(colours));
    expect(one.at(0.01, 0.99)).toEqual({ channel: 1, lag: 0, band: 0 });
    expect(one.at(0.99, 0.01)).toEqual({ channel: 1, lag: T - 1, band: F - 1 });
    expect(one.at(1, 0.5)).toBeNull();
    const two = new Thumbnails(F, T, [0, 1], 166, byteColours(colours));
    expect(two.at(4.5 / 9, 0.5)).toBeNull();
    expect(two.at(5.5 / 9, 0.5)).toEqual({ channel: 1, lag: 0, band: 1 });
  });

  it("makes cells smaller than a pixel where there are many", () => {
    const one = new Thumbnails(300, 400, [0], 120, byteColours(colours));
    expect([one.fine, one.width, one.height]).toEqual([true, 120, 102]);
  });
});

describe("list box", () => {
  it("keeps room for all neurons, whichever are shown", () => {
    const gallery = new Gallery();
    const [sheet, all] = [gallery.one(".db-sheet"), () => gallery.grid.style.getPropertyValue("--all")];
    const whole = sheet.style.height;
    expect(Number.parseFloat(whole)).toBeGreaterThan(0);
    expect(all()).toBe(whole);
    gallery.type("Find neurons", "bold");
    expect(Number.parseFloat(sheet.style.height)).toBeCloseTo((Number.parseFloat(whole) * COLUMNS) / N, 9);
    expect(all()).toBe(whole);
    vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValueOnce(123).mockReturnValue(0);
    gallery.type("Find neurons", "nobody");
    gallery.type("Find neurons", "nobody else");
    expect(gallery.one(".db-nothing").style.minHeight).toBe("123px");
  });

  it("holds only the rows in view and some more, labelled as some of all", () => {
    const gallery = new Gallery();
    expect(gallery.sent).toEqual([{ type: "ready" }]);
    const { cards } = gallery;
    expect(cards.length).toBeLessThan(30);
    expect(cards.length % COLUMNS).toBe(0);
    expect(cards.map((card) => card.getAttribute("aria-posinset"))).toEqual(
      cards.map((_, i) => String(i + 1)),
    );
    expect(new Set(cards.map((card) => card.getAttribute("aria-setsize")))).toEqual(new Set([String(N)]));
    expect(cards[0].getAttribute("aria-selected")).toBe("true");
    expect(cards[1].getAttribute("aria-description")).toMatch(
      /^edited, inhibition 500 Hz, 15 ms, best frequency 1\.1 kHz, latency/,
    );
    expect(cards[0].textContent).toBe("1 · unit 10 r 0.00 1.0 kHz 0.0 ms");
  });

  it("shows names as text", () => {
    const gallery = new Gallery();
    expect(gallery.card(3)!.textContent).toContain("4 · <b>bold</b>");
    expect(gallery.el.querySelector("b")).toBeNull();
  });

  it("uses rows again when it is scrolled, and paints only the new ones", () => {
    const gallery = new Gallery();
    const elements = new Set(gallery.el.querySelectorAll(".db-row"));
    const perRow = (Number.parseFloat(gallery.one(".db-sheet").style.height) * COLUMNS) / N;
    const before = gallery.painted;
    gallery.scrollTo(perRow * 4);
    expect(gallery.painted - before).toBe(COLUMNS);
    gallery.scrollTo(perRow * 20);
    expect(gallery.cards.some((card) => card.id.endsWith("-40"))).toBe(true);
    expect(gallery.card(0)).toBeUndefined();
    expect(new Set(gallery.el.querySelectorAll(".db-row"))).toEqual(elements);
    const again = gallery.painted;
    gallery.scrollTo(perRow * 20 + 1);
    expect(gallery.painted).toBe(again);
  });

  it("is repainted while it is hidden, as JupyterLab does for a new theme, and stays where it was", async () => {
    const gallery = new Gallery();
    gallery.scrollTo(800);
    const shown = () => gallery.cards.map((card) => card.id);
    const before = shown();
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(0);
    // As an element does that is not displayed.
    gallery.grid.scrollTop = 0;
    const { painted } = gallery;
    document.body.setAttribute("data-jp-theme-light", "false");
    await vi.advanceTimersByTimeAsync(40);
    document.body.removeAttribute("data-jp-theme-light");
    expect(gallery.painted).toBe(painted + before.length);
    expect(shown()).toEqual(before);
    expect(gallery.grid.scrollTop).toBeCloseTo(800, 3);
  });

  it("chooses by click, and by arrows and Enter", () => {
    const gallery = new Gallery();
    gallery.card(1)!.click();
    expect(gallery.model.get("selected")).toBe(1);
    const active = () => gallery.grid.getAttribute("aria-activedescendant")?.split("-").at(-1);
    gallery.press("ArrowDown");
    expect([active(), gallery.model.get("selected")]).toEqual(["3", 1]);
    gallery.press("ArrowLeft");
    gallery.press("Enter");
    expect([active(), gallery.model.get("selected")]).toEqual(["2", 2]);
    gallery.press("End");
    expect(active()).toBe("59");
    expect(gallery.card(59)).toBeDefined();
    gallery.press("ArrowRight");
    expect(active()).toBe("59");
    gallery.press("PageUp");
    gallery.press("Home");
    expect(active()).toBe("0");
    gallery.press("ArrowUp");
    expect(active()).toBe("0");
  });

  it("outlines and shows what is chosen elsewhere", () => {
    const gallery = new Gallery({ selected: 50 });
    expect(gallery.card(50)!.getAttribute("aria-selected")).toBe("true");
    gallery.model.set("selected", 1);
    frame();
    expect(gallery.card(1)!.getAttribute("aria-selected")).toBe("true");
    expect(gallery.one(".db-details").textContent).toMatch(/^2 · unit 2: edited/);
  });

  it("repaints the neurons of a patch, and keeps the chosen one where it is", () => {
    const gallery = new Gallery({ sort: "best_frequency_hz", selected: 4 });
    const perRow = (Number.parseFloat(gallery.one(".db-sheet").style.height) * COLUMNS) / N;
    // In the third row at first, and in the last after the patch.
    const offset = 2 * perRow - gallery.grid.scrollTop;
    const before = gallery.painted;
    const to = row(4);
    to[0] = 1_000_000;
    const parts = [Float32Array.from(to).buffer, new Int8Array(C * F * T).buffer].map(
      (part) => new DataView(part),
    );
    gallery.model.message({ type: "patch", rows: [4], kernels: [4] }, parts);
    frame();
    expect(gallery.order.at(-1)).toBe(4);
    expect(gallery.card(4)!.textContent).toContain("1000 kHz");
    expect(gallery.painted).toBeGreaterThan(before);
    expect((N / COLUMNS - 1) * perRow - gallery.grid.scrollTop).toBeCloseTo(offset, 3);
  });

  it("has a text when nothing passes, and shows all again", () => {
    const gallery = new Gallery();
    gallery.type("Find neurons", "nobody");
    expect(gallery.one(".db-nothing").hidden).toBe(false);
    expect(gallery.one(".db-count").textContent).toBe("0 of 60 shown");
    gallery.one<HTMLButtonElement>(".db-nothing button").click();
    expect(gallery.one(".db-nothing").hidden).toBe(true);
    expect(gallery.order.length).toBe(N);
  });
});

describe("controls", () => {
  it("search, sort, direction, channel and fields are traits", () => {
    const gallery = new Gallery();
    const saved: string[] = [];
    gallery.model.saved = (changes) => saved.push(changes.map(([name]) => name).join("+"));
    gallery.type("Find neurons", "unit");
    const pick = (label: string, value: string) => {
      const select = gallery.one<HTMLSelectElement>(`select[aria-label="${label}"]`);
      select.value = value;
      select.dispatchEvent(new Event("change", { bubbles: true }));
    };
    pick("Sorted by", "name");
    gallery.one<HTMLButtonElement>("button[aria-label^=Ascending]").click();
    gallery.one<HTMLButtonElement>("[data-channel='1']").click();
    pick("Which receptive fields", "3");
    expect(saved).toEqual(["search", "sort", "descending", "channel", "trained+with_gain"]);
    expect(gallery.order).toEqual([0, 1, 2]);
    expect(["channel", "trained", "with_gain"].map((name) => gallery.model.get(name))).toEqual([
      1,
      true,
      true,
    ]);
    expect(gallery.one("[data-channel='1']").getAttribute("aria-checked")).toBe("true");
    expect(gallery.one("button[aria-label^=Descending]").textContent).toBe("↓");
    frame();
    expect(gallery.one(".db-legend-line").textContent).toMatch(/^OFF; 0\.5–8 kHz upwards, 15 to 0 ms/);
  });

  it("a peak in another band than the recording prefers is marked, and told", () => {
    const gallery = new Gallery();
    expect(gallery.card(2)!.textContent).toContain("1.2 kHz ?");
    expect(gallery.card(2)!.getAttribute("aria-description")).toMatch(
      /r = 0\.20, the recording would rather have its peak about 4\.2 kHz$/,
    );
    expect(gallery.card(3)!.textContent).not.toContain("?");
    expect(gallery.card(3)!.getAttribute("aria-description")).not.toContain("rather");
  });

  it("ranges are typed in kHz and sent in Hz; ends that cross are marked and not sent", () => {
    const gallery = new Gallery();
    gallery.type("best frequency, at least", "1.2");
    gallery.type("best frequency, at most", "1.4");
    expect(gallery.model.get("ranges")).toEqual({ best_frequency_hz: [1200, 1400] });
    expect(gallery.order).toEqual([2, 3, 4]);
    gallery.type("best frequency, at most", "1");
    expect(gallery.model.get("ranges")).toEqual({ best_frequency_hz: [1200, 1400] });
    expect(gallery.one("input[aria-label^='best frequency, at most']").getAttribute("aria-invalid")).toBe(
      "true",
    );
    gallery.type("best frequency, at most", "1,5");
    expect(gallery.model.get("ranges")).toEqual({ best_frequency_hz: [1200, 1500] });
    gallery.type("best frequency, at most", "1,5 kHz");
    expect(gallery.one("input[aria-label^='best frequency, at most']").getAttribute("aria-invalid")).toBe(
      "true",
    );
    gallery.type("best frequency, at most", "");
    expect(gallery.model.get("ranges")).toEqual({ best_frequency_hz: [1200, null] });
    expect(gallery.one("button[aria-expanded]").textContent).toBe("Filters (1)");
  });

  it("follows what Python sets", () => {
    const gallery = new Gallery({ ranges: { score: [0.5, null] } });
    expect(gallery.one(".db-filters").hidden).toBe(false);
    expect(gallery.one<HTMLInputElement>("input[aria-label='score r, at least']").value).toBe("0.5");
    expect(gallery.one(".db-count").textContent).toBe("30 of 60 shown");
    gallery.model.set("ranges", {});
    gallery.model.set("sort", "score");
    gallery.model.set("error", "sort must be <something>");
    expect(gallery.one<HTMLInputElement>("input[aria-label='score r, at least']").value).toBe("");
    expect(gallery.one<HTMLSelectElement>("select[aria-label='Sorted by']").value).toBe("score");
    expect(gallery.one(".db-message").textContent).toBe("sort must be <something>");
  });

  it("hides what a model does not have", () => {
    const info = {
      n_neurons: N,
      n_channels: 2,
      n_bands: F,
      n_lags: T,
      dt_ms: 5,
      delay_ms: 0,
      channel_names: ["ON", "OFF"],
    };
    const gallery = new Gallery({
      info: { ...info, model: "StateNet", has_scores: false, kernels_given: true },
    });
    expect(gallery.el.querySelector("option[value=score]")).toBeNull();
    expect(gallery.one("select[aria-label='Which receptive fields']").hidden).toBe(true);
    expect(gallery.card(1)!.querySelector(".db-card-score")!.textContent).toBe("");
  });

  it("keys: / finds, ? lists the keys, Enter goes on to the cards", () => {
    const gallery = new Gallery();
    gallery.press("/");
    const search = gallery.one<HTMLInputElement>("input[type=search]");
    expect(document.activeElement).toBe(search);
    gallery.press("Enter", search);
    expect(document.activeElement).toBe(gallery.grid);
    const shown = vi.spyOn(HTMLDialogElement.prototype, "showModal").mockImplementation(() => {});
    gallery.press("?");
    expect(shown).toHaveBeenCalledOnce();
    expect(gallery.one("dialog").textContent).toContain("to the next neuron");
  });
});

it("is undone completely, beside another view of the same model", () => {
  const gallery = new Gallery();
  const listeners = gallery.model.listeners();
  const el = document.createElement("div");
  document.body.append(el);
  const stop = bench.render({ model: gallery.model, el });
  expect(gallery.model.listeners()).toBe(2 * listeners);
  frame();
  gallery.type("Find neurons", "bold");
  expect(el.querySelector<HTMLInputElement>("input[type=search]")!.value).toBe("bold");
  stop();
  expect(gallery.model.listeners()).toBe(listeners);
  expect(el.childElementCount).toBe(0);
  gallery.stop();
  expect(gallery.model.listeners()).toBe(0);
  el.remove();
});
