/** What one neuron of any network responds to: at one moment, over all moments, and the sound that it wants. */

import { Cleanup, element, setText } from "../base/dom";
import { Frames, watchPixelRatio } from "../draw/surface";
import { readTheme, type Theme, watchTheme } from "../draw/theme";
import type { BenchModel } from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import type { Around } from "../panels/mount-panel";
import { keepKeys } from "../ui/host-keys";
import { FiltersView } from "./filters";
import type { InsideMessage } from "./messages";
import { MomentField } from "./moment-field";
import { SwitchesView } from "./switches";
import { WantedView } from "./wanted";

export function mountInside(given: BenchModel, el: HTMLElement, around?: Around): () => void {
  const cleanup = new Cleanup();
  const message = element("p.db-message.db-error", { role: "status", "aria-live": "polite" });
  const model = delivering(given, () => setText(message, LOST));
  const root = element("div.deepstrf-bench.db-view-inside", { tabindex: -1 });
  keepKeys(root, cleanup);
  el.append(root);
  cleanup.add(() => root.remove());
  const frames = new Frames(cleanup);
  let colours: Theme | null = null;
  const theme = () => {
    colours ??= readTheme(root);
    return colours;
  };
  const moment = new MomentField(model, around, frames, theme, cleanup);
  const filters = new FiltersView(model, frames, theme, cleanup);
  const wanted = new WantedView(model, frames, theme, cleanup);
  const switches = new SwitchesView(model, cleanup);
  const parts = [moment, filters, wanted, switches];
  const lanes = element("div.db-inside-parts", {}, ...parts.map((part) => part.element));
  root.append(lanes, message);
  const repaint = () => {
    for (const part of parts) part.requestPaint();
  };
  watchTheme(root, cleanup, () => {
    colours = null;
    repaint();
  });
  watchPixelRatio(cleanup, repaint);

  const received = (content: InsideMessage, buffers: ArrayLike<unknown>) => {
    if (content?.type === "moment") moment.answered(content, buffers);
    else if (content?.type === "subspace") filters.found(content, buffers);
    else if (content?.type === "rebuilt") filters.rebuilt(content);
    else if (content?.type === "wanted") wanted.found(content, buffers);
  };
  const changed = () => {
    setText(message, String(model.get("error") ?? ""));
    filters.paintState();
    wanted.paintState();
    switches.paintState();
    moment.ask();
  };
  model.on("msg:custom", received);
  cleanup.add(() => model.off("msg:custom", received));
  for (const trait of ["stamp", "busy", "error", "neuron", "parts"]) {
    model.on(`change:${trait}`, changed);
    cleanup.add(() => model.off(`change:${trait}`, changed));
  }
  changed();
  return () => cleanup.run();
}
