/** The module that anywidget loads: one bundle for every view of the bench, and for a saved page without a kernel. */

import type { BenchModel } from "./contract";
import { mount } from "./explorer";
import { DATA_ID, OfflineKernel, type Saved } from "./offline";
import { mountGallery } from "./views/gallery";
import { mountPaint } from "./views/paint";
import { mountSoundFile } from "./views/sound-file";

function render({ model, el }: { model: BenchModel; el: HTMLElement }): () => void {
  const view = model.get("view");
  if (view === "gallery") return mountGallery(model, el);
  if (view === "paint") return mountPaint(model, el);
  return view === "file" ? mountSoundFile(model, el) : mount(model, el);
}

const data = globalThis.document?.getElementById(DATA_ID);
if (data?.parentElement) {
  const { model } = new OfflineKernel(JSON.parse(data.textContent ?? "") as Saved);
  mount(model, data.parentElement);
}

export default { render };
