/** Sending to a kernel that may be gone: JupyterLab then throws, and a gesture must not break off in its middle. */

import type { BenchModel } from "./contract";

export const LOST = "the kernel is gone, and nothing reaches it: run the cell again";

/** The model, with a `send` and a `save_changes` that do not throw: where one has, `onLost` is called. */
export function delivering(model: BenchModel, onLost: () => void): BenchModel {
  const attempt = (deliver: () => void) => {
    try {
      deliver();
    } catch {
      onLost();
    }
  };
  return {
    get: (name) => model.get(name),
    set: (name, value) => model.set(name, value),
    on: (event, callback) => model.on(event, callback),
    off: (event, callback) => model.off(event, callback),
    save_changes: () => attempt(() => model.save_changes()),
    send: (content, callbacks, buffers) => attempt(() => model.send(content, callbacks, buffers)),
  };
}
