/**
 * Code that a kernel sends once, in a model of its own that has no view, and not with each of its widgets; these have a
 * reference to it. The page evaluates it as soon as it is there: before the first widget that needs it, as a rule.
 */

import { setText } from "../base/dom";
import { isKept, late, pageModule } from "./page-modules";

interface Traits {
  get(name: string): unknown;
}
type Received = (message: unknown, buffers: readonly DataView<ArrayBuffer>[]) => void;
/** The model of a widget, or of its code. */
export interface Model extends Traits {
  send(content: unknown): void;
  on(event: string, callback: Received): void;
  off(event: string, callback: Received): void;
  readonly widget_manager?: { get_model(id: string): Promise<Traits> };
}
interface View {
  model: Model;
  el: HTMLElement;
}
interface Widget {
  render(view: View): (() => void) | undefined;
}

/** How ipywidgets writes which model a trait refers to. */
const REFERENCE = "IPY_MODEL_";

/** Evaluate the code of this model, where it has any. */
export function loadCode(model: Traits): void {
  const code = model.get("source");
  // Whoever shows a widget is told why it could not be evaluated.
  if (code) pageModule(keyOf(model, "key"), async () => String(code)).catch(() => {});
}

/** Show a widget whose code is elsewhere. */
export async function show(view: View): Promise<(() => void) | undefined> {
  let widget: Widget;
  try {
    widget = (await moduleOf(view.model)).default as Widget;
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    setText(view.el, `This cannot be shown: ${reason}. Run its cell again.`);
    return undefined;
  }
  return widget.render(view);
}

const keyOf = (model: Traits, name: string) => String(model.get(name));

async function moduleOf(model: Model): Promise<Record<string, unknown>> {
  const key = keyOf(model, "_code_key");
  // Kept once it is there: who waits for a kernel that does not answer is in nobody's way.
  const wait = () =>
    Promise.race([codeOf(model), late()]).catch((error) => {
      if (!isKept(key)) throw error;
      return ""; // it has come to another widget meanwhile
    });
  const code = isKept(key) ? "" : await wait();
  return pageModule(key, async () => code);
}

/** From the model that has it, or from the kernel, where a host does not know that model or has lost it. */
async function codeOf(model: Model): Promise<string | DataView<ArrayBuffer>> {
  const id = String(model.get("_code")).replace(REFERENCE, "");
  const find = async () => (await model.widget_manager?.get_model(id))?.get("source");
  const source = await find().catch(() => undefined);
  if (typeof source === "string" && source) return source;
  return new Promise((resolve) => {
    const received: Received = (message, [packed]) => {
      const { type, css } = message as { type?: string; css?: string };
      if (type !== "code") return;
      model.off("msg:custom", received);
      const style = document.createElement("style");
      style.textContent = css ?? "";
      document.head.append(style);
      resolve(packed);
    };
    model.on("msg:custom", received);
    model.send({ type: "code" });
  });
}
