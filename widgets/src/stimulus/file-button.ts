/** A button to choose a sound file by. It is sent in parts, as a server closes the connection at a large message. */

import { Cleanup, element, setHidden, setText } from "../base/dom";
import type { BenchModel } from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import { button } from "../ui/button";
import { keepKeys } from "../ui/host-keys";

export function mountSoundFile(given: BenchModel, el: HTMLElement): () => void {
  const cleanup = new Cleanup();
  const message = element("p.db-message.db-error", { role: "status", "aria-live": "polite", hidden: true });
  const model = delivering(given, () => {
    setHidden(message, false);
    setText(message, LOST);
  });
  const info = model.get("info") as { title: string; accept: string; max_bytes: number; part_bytes: number };
  const input = element("input", { type: "file", accept: info.accept, hidden: true, "aria-hidden": "true" });
  const choose = button(info.title, "Choose a file");
  const root = element("div.deepstrf-bench.db-view-file", {}, choose, input, message);
  keepKeys(root, cleanup);
  el.append(root);
  cleanup.add(() => root.remove());
  cleanup.listen(choose, "click", () => input.click());
  cleanup.listen(input, "change", async () => {
    const file = input.files?.[0];
    if (!file) return;
    const { name, size } = file;
    const content = size > info.max_bytes ? null : await file.arrayBuffer();
    // The same file may be chosen again.
    input.value = "";
    if (!content) model.send({ type: "file", name, size }, undefined, []);
    else {
      for (let at = 0; at === 0 || at < size; at += info.part_bytes) {
        model.send({ type: "file", name, size, at }, undefined, [content.slice(at, at + info.part_bytes)]);
      }
    }
  });
  return () => cleanup.run();
}
