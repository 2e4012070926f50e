/** Shows the widget of a panel in an element of the widget around it. */

import { Cleanup, setText } from "../base/dom";
import type { BenchModel } from "../kernel/contract";
import { pageModule } from "./page-modules";
import { type PanelData, type PanelMessage, PanelModel } from "./panel-model";

/** What a panel may see of the bench around it. */
export interface Around {
  /** Response of the neuron on screen, as the gesture has it. */
  rate(): ArrayLike<number>;
  neuron(): number;
  /** Called when the response on screen is another one, until the cleanup runs. */
  onRate(changed: () => void, cleanup: Cleanup): void;
  /** The bin under the time cursor, hovered, played or pinned; null where there is none. */
  moment(): number | null;
  /** The pointer is at a bin of the sound on screen, or at none. */
  hover(frame: number | null): void;
  /** Keep a bin under the time cursor. */
  pin(frame: number): void;
  /** Called when it is another one, until the cleanup runs. */
  onMoment(changed: () => void, cleanup: Cleanup): void;
}

type Render = (view: { model: BenchModel; el: HTMLElement; around?: Around }) => (() => void) | undefined;

/** Open a panel: its model comes from the kernel, its code with the first one on the page. Returns what closes it. */
export function mountPanel(
  host: BenchModel,
  panel: string,
  client: string,
  el: HTMLElement,
  around?: Around,
): () => void {
  const cleanup = new Cleanup();
  const post = (data: PanelData, buffers: ArrayBuffer[] = []) =>
    host.send({ type: "panel", panel, client, data }, undefined, buffers);
  const model = new PanelModel(post);
  let opened = false;
  let code: (bytes: ArrayBufferView<ArrayBuffer>) => void = () => {};
  const asked = () =>
    new Promise<ArrayBufferView<ArrayBuffer>>((resolve) => {
      code = resolve;
      post({ method: "module" });
    });
  const show = async (module: string) => {
    try {
      const { default: widget } = await pageModule(module, asked);
      if (cleanup.done) return;
      el.replaceChildren();
      const close = (widget as { render: Render }).render({ model, el, around });
      if (close) cleanup.add(close);
    } catch (error) {
      setText(el, `This panel cannot be shown: ${error instanceof Error ? error.message : error}`);
    }
  };
  const received = (message: PanelMessage, buffers: ArrayLike<DataView<ArrayBuffer>>) => {
    if (message?.type !== "panel" || message.panel !== panel || (message.to ?? client) !== client) return;
    const { data } = message;
    if (data.method === "module") code(buffers[0]);
    else if (data.method === "refused") setText(el, data.text ?? "");
    else if (data.method !== "echo_update" || message.of !== client) {
      model.receive(data, buffers);
      if (data.method === "opened" && !opened) {
        opened = true;
        void show(data.module ?? "");
      }
    }
  };
  host.on("msg:custom", received);
  cleanup.add(() => host.off("msg:custom", received));
  setText(el, "Loading …");
  post({ method: "open" });
  return () => cleanup.run();
}
