// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadCode, type Model, show } from "./shared-code";

const KEPT = Symbol.for("deepstrf.modules");
const page = globalThis as unknown as Record<symbol, Map<string, unknown> | undefined>;

/** Blobs by their addresses: Node imports none of them, so that they become "data:" addresses. */
beforeEach(() => {
  vi.stubGlobal(
    "Blob",
    class {
      readonly text: string;
      constructor(parts: unknown[]) {
        this.text = parts.join("");
      }
    },
  );
  vi.spyOn(URL, "createObjectURL").mockImplementation(
    (blob) => `data:text/javascript,${encodeURIComponent((blob as unknown as { text: string }).text)}`,
  );
  vi.spyOn(URL, "revokeObjectURL").mockImplementation(() => {});
});
afterEach(() => {
  delete page[KEPT];
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
  document.head.replaceChildren();
});

/** Code that says in the element who asked it to, and counts on the page how often it is evaluated. */
const CODE = `
globalThis.evaluated = (globalThis.evaluated ?? 0) + 1;
export default {
  render({ model, el }) { el.append("neuron " + model.get("neuron")); return () => el.replaceChildren(); },
};`;
const evaluated = () => (globalThis as { evaluated?: number }).evaluated ?? 0;

type Answer = (message: object, buffers?: DataView[]) => void;

/** The model of a widget in a host where `found` answers for the model with the code. */
function widget(key: string, found?: (id: string) => Promise<{ get(name: string): unknown }>) {
  const traits: Record<string, unknown> = { _code: "IPY_MODEL_abc", _code_key: key, neuron: 3 };
  const listeners = new Set<Answer>();
  const send = vi.fn();
  const model = {
    get: (name: string) => traits[name],
    send,
    on: (_event: string, callback: Answer) => listeners.add(callback),
    off: (_event: string, callback: Answer) => listeners.delete(callback),
    widget_manager: found && { get_model: found },
  } as unknown as Model;
  const tell: Answer = (message, buffers = []) => {
    for (const listener of [...listeners]) listener(message, buffers);
  };
  return { model, send, tell, listeners, el: document.createElement("div") };
}
const codeModel = (key: string, source = CODE) => ({
  get: (name: string) => ({ key, source })[name] as unknown,
});

const keyOf = () => expect.getState().currentTestName ?? "";

describe("code that a kernel sends once", () => {
  it("is evaluated when it comes, and widgets do not ask for it any more", async () => {
    const before = evaluated();
    const key = keyOf();
    loadCode(codeModel(key));
    await vi.waitFor(() => expect(evaluated()).toBe(before + 1));
    const find = vi.fn();
    for (let i = 0; i < 2; i++) {
      const { model, el, send } = widget(key, find);
      const close = await show({ model, el });
      expect(el.textContent).toBe("neuron 3");
      expect(send).not.toHaveBeenCalled();
      close?.();
      expect(el.textContent).toBe("");
    }
    expect(find).not.toHaveBeenCalled();
    expect(evaluated()).toBe(before + 1);
  });

  it("is taken from its model where that comes later", async () => {
    const key = keyOf();
    const find = vi.fn(async () => codeModel(key));
    const { model, el } = widget(key, find);
    await show({ model, el });
    expect(find).toHaveBeenCalledExactlyOnceWith("abc");
    expect(el.textContent).toBe("neuron 3");
  });

  it.each([
    ["is not known", async () => Promise.reject(new Error("widget model not found"))],
    [
      "raises",
      () => {
        throw new Error("widget model not found");
      },
    ],
    ["has no managers", undefined],
  ])("is sent again where its model %s", async (_why, find) => {
    const { model, el, send, tell, listeners } = widget(keyOf(), find as never);
    const shown = show({ model, el });
    await vi.waitFor(() => expect(send).toHaveBeenCalledExactlyOnceWith({ type: "code" }));
    tell({ type: "patch" }); // what the widget is told meanwhile is none of it
    tell({ type: "code", css: ".db { color: red }" }, [CODE as unknown as DataView]);
    await shown;
    expect(el.textContent).toBe("neuron 3");
    expect(document.head.querySelector("style")?.textContent).toBe(".db { color: red }");
    expect(listeners.size).toBe(0);
  });

  it("says why a widget cannot be shown, and what to do", async () => {
    const key = keyOf();
    loadCode(codeModel(key, "export default {"));
    const { model, el } = widget(key, async () => codeModel(key, "export default {"));
    await show({ model, el });
    expect(el.textContent).toMatch(/^This cannot be shown: .+\. Run its cell again\.$/);
  });

  it("that comes while another widget waits for a kernel that is gone is used at once, and by that one too", async () => {
    vi.useFakeTimers();
    const key = keyOf();
    const dead = widget(key);
    const waiting = show(dead);
    await vi.advanceTimersByTimeAsync(0);
    expect(dead.send).toHaveBeenCalledOnce();
    loadCode(codeModel(key));
    const live = widget(key);
    await show(live);
    expect(live.el.textContent).toBe("neuron 3");
    expect(live.send).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(60_000);
    await waiting;
    expect(dead.el.textContent).toBe("neuron 3");
  });

  it("that the kernel does not send is given up after a minute", async () => {
    vi.useFakeTimers();
    const { model, el } = widget(keyOf());
    const shown = show({ model, el });
    await vi.advanceTimersByTimeAsync(60_000);
    await shown;
    expect(el.textContent).toBe(
      "This cannot be shown: the kernel has not sent its code. Run its cell again.",
    );
  });

  it("leaves errors of the widget itself to the host", async () => {
    const key = keyOf();
    loadCode(codeModel(key, 'export default { render() { throw new Error("a bug") } }'));
    const { model, el } = widget(key);
    await expect(show({ model, el })).rejects.toThrow("a bug");
    expect(el.textContent).toBe("");
  });

  it("is asked of the kernel where the model has none", async () => {
    const { model, el, send, tell } = widget(keyOf(), async () => ({ get: () => undefined }));
    const shown = show({ model, el });
    await vi.waitFor(() => expect(send).toHaveBeenCalledOnce());
    tell({ type: "code", css: "" }, [CODE as unknown as DataView]);
    await shown;
    expect(el.textContent).toBe("neuron 3");
  });

  it("is asked for again after it has failed", async () => {
    const key = keyOf();
    const broken = widget(key, async () => codeModel(key, "export default {"));
    await show(broken);
    const { model, el } = widget(key, async () => codeModel(key));
    await show({ model, el });
    expect(el.textContent).toBe("neuron 3");
  });

  it("leaves alone a model without any", () => {
    loadCode({ get: () => undefined });
    expect(page[KEPT]).toBeUndefined();
  });
});
