/** The gallery: every neuron of a model as a small picture, to sort, to filter and to choose from. */

import { Cleanup, consume, element, setText } from "../base/dom";
import { css, diverging } from "../draw/colormap";
import { Frames, watchPixelRatio } from "../draw/surface";
import { readTheme, watchTheme } from "../draw/theme";
import { download } from "../export/download-menu";
import { pictureOf } from "../export/page-to-svg";
import type { BenchModel, Bytes } from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import { bringEditors } from "../ui/bring-editors";
import { keepKeys } from "../ui/host-keys";
import { type Listed, Shortcuts } from "../ui/shortcuts";
import { GalleryControls } from "./controls";
import {
  GALLERY_TRAITS,
  GalleryData,
  type GalleryTrait,
  type Measure,
  orderOf,
  type Patch,
  type Ranges,
  type Sort,
} from "./data";
import { columnsFor, GalleryGrid, pictureIn } from "./grid";
import { byteColours, Thumbnails } from "./thumbnails";

const SHORTCUTS: Listed = [
  ["Arrows", "to the next neuron"],
  ["Page up, page down", "up or down by what is in view"],
  ["Home, End", "to the first or the last neuron"],
  ["Enter, space, click", "choose the neuron: linked views show it"],
  ["/", "find a neuron by number or name"],
  ["?", "this list"],
];
/** Width of a picture where the number of columns is free: of several channels, and of one. */
const PICTURE_PX = 166;
const SINGLE_PX = 120;

/** The orders whose read-out stands in a card's corner: it holds no other place there. */
const SECOND = new Set<Sort>(["bandwidth_oct", "separability", "on_off", "score_gain"]);

/** What tests read. */
export interface GalleryCounters {
  /** Pictures painted so far. */
  readonly painted: number;
  /** Numbers of the neurons shown, in their order. */
  readonly order: readonly number[];
}

export function mountGallery(given: BenchModel, el: HTMLElement): () => void {
  const cleanup = new Cleanup();
  const model = delivering(given, () => setText(message, LOST));
  const root = element("div.deepstrf-bench.db-view-gallery", { tabindex: -1 });
  keepKeys(root, cleanup);
  el.append(root);
  cleanup.add(() => root.remove());
  const data = new GalleryData(model);
  const frames = new Frames(cleanup);
  const get = <T>(trait: GalleryTrait) => model.get(trait) as T;
  const set = (values: Partial<Record<GalleryTrait, unknown>>) => {
    for (const [trait, value] of Object.entries(values)) model.set(trait, value);
    model.save_changes();
  };

  const shortcuts = new Shortcuts(cleanup, SHORTCUTS);
  const controls = new GalleryControls({ get, set }, data.info, () => shortcuts.open(), cleanup);
  const pointed = element("p.db-details", {});
  const bar = element("span.db-scale", { "aria-hidden": "true" });
  const { n_lags, dt_ms, delay_ms, n_channels, channel_names } = data.info;
  const axes = element("span");
  const legend = element(
    "p.db-legend-line.db-muted",
    {},
    axes,
    bar,
    element("span", {}, " + on each neuron's own scale; ● edited"),
  );
  const nothing = element("p.db-nothing.db-muted", { hidden: true }, "No neuron passes. ");
  const again = element("button.db-button", { type: "button" }, "Show all");
  nothing.append(again);
  cleanup.listen(again, "click", () => controls.clearAll());
  const message = element("p.db-message.db-error", { role: "status", "aria-live": "polite" });

  const details = (neuron: number, cell: string) => {
    const hidden = grid.has(neuron) ? "" : " (not among those shown)";
    setText(pointed, `${data.label(neuron)}${hidden}: ${data.described(neuron)}${cell && ` · ${cell}`}`);
  };
  const grid = new GalleryGrid(
    data,
    frames,
    {
      choose: (neuron) => {
        if (neuron !== get("selected")) set({ selected: neuron });
      },
      point: details,
    },
    cleanup,
  );
  cleanup.listen(grid.element, "click", () => bringEditors(root));
  const foot = element("div.db-gallery-foot", {}, pointed, legend);
  const name = () => `${data.info.model} gallery`;
  const picture = () => {
    grid.paint();
    return pictureOf(root, [controls.header, grid.element, foot], new Map(), name());
  };
  const setError = (text: string) => setText(message, text || get("error"));
  controls.header.append(download("the gallery", { name, picture, setError }, cleanup));
  root.append(controls.header, controls.filters, grid.element, nothing, foot, message, shortcuts.element);

  const sort = (hold: boolean) => {
    const by = get<Sort>("sort");
    const order = orderOf(data, by, get("descending"), get("search"), get<Ranges>("ranges"));
    grid.show(order, SECOND.has(by) ? (by as Measure) : "latency_ms", hold);
    controls.showCount(order.length);
    if (!grid.element.hidden) nothing.style.minHeight = `${grid.element.offsetHeight}px`;
    grid.element.hidden = order.length === 0;
    nothing.hidden = order.length > 0;
  };
  let width = 0;
  const draw = () => {
    width = grid.width;
    if (width === 0) return;
    const colours = diverging(readTheme(root).dark);
    const chosen = get<number | null>("channel");
    const channels = chosen === null ? Array.from({ length: n_channels }, (_, c) => c) : [chosen];
    const fixed = get<number>("columns");
    const room = fixed > 0 ? pictureIn(width, fixed) : channels.length > 1 ? PICTURE_PX : SINGLE_PX;
    const { n_bands } = data.info;
    const thumbnails = new Thumbnails(n_bands, n_lags, channels, room, byteColours(colours));
    grid.element.classList.toggle("db-fine", thumbnails.fine);
    grid.element.dataset.channel = n_channels === 2 ? ["on", "off", "both"][chosen ?? 2] : "";
    grid.draw(thumbnails, fixed || columnsFor(width, thumbnails.width));
    const sides = n_channels === 2 ? `${channel_names[0]} left, ${channel_names[1]} right; ` : "";
    const which = chosen === null ? sides : `${channel_names[chosen]}; `;
    setText(axes, `${which}${data.span()} upwards, ${(n_lags - 1) * dt_ms + delay_ms} to ${delay_ms} ms; − `);
    const stops = Array.from({ length: 9 }, (_, i) => css(colours, Math.round((255 * i) / 8)));
    bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  };
  const changed: Partial<Record<GalleryTrait, () => void>> = {
    selected: () => grid.choose(get("selected"), false, true),
    channel: draw,
    columns: draw,
    sort: () => sort(false),
    descending: () => sort(false),
    search: () => sort(false),
    ranges: () => sort(false),
    kernels: () => {
      data.read();
      grid.refresh(null);
    },
    table: () => {
      data.read();
      sort(true);
      grid.refresh(null);
    },
    error: () => setText(message, get("error")),
  };
  for (const trait of GALLERY_TRAITS) {
    const callback = () => {
      changed[trait]?.();
      controls.paint();
    };
    model.on(`change:${trait}`, callback);
    cleanup.add(() => model.off(`change:${trait}`, callback));
  }
  const received = (content: Patch, buffers: Bytes[]) => {
    if (content?.type !== "patch") return;
    data.patch(content, buffers);
    sort(true);
    grid.refresh(new Set([...content.rows, ...content.kernels]));
  };
  model.on("msg:custom", received);
  cleanup.add(() => model.off("msg:custom", received));

  const observer = new ResizeObserver(() => {
    if (grid.width !== width) draw();
    else frames.request(grid.paint);
  });
  observer.observe(grid.element);
  cleanup.add(() => observer.disconnect());
  watchTheme(root, cleanup, draw);
  watchPixelRatio(cleanup, draw);
  cleanup.listen<KeyboardEvent>(controls.search, "keydown", (event) => {
    if ((event.key !== "Enter" || event.shiftKey) && event.key !== "ArrowDown") return;
    grid.element.focus({ preventScroll: true });
    consume(event);
  });
  cleanup.listen<KeyboardEvent>(root, "keydown", (event) => {
    const writing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (writing || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "/") controls.search.focus();
    else if (event.key === "?") shortcuts.open();
    else return;
    consume(event);
  });
  const counters: GalleryCounters = {
    get painted() {
      return grid.painted;
    },
    get order() {
      return grid.order;
    },
  };
  Object.defineProperty(root, "__gallery", { value: counters, enumerable: false });

  grid.choose(get("selected"), false);
  sort(true);
  draw();
  changed.error?.();
  model.send({ type: "ready" });
  return () => cleanup.run();
}
