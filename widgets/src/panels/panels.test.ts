// @vitest-environment happy-dom

import { afterEach, describe, expect, it, vi } from "vitest";
import { bytes } from "../testing/bench.fixture";
import { mount, onEveryPage, settle } from "../testing/mount.fixture";
import { bringEditors } from "../ui/bring-editors";
import { PanelModel } from "./panel-model";

onEveryPage();

const KEPT = Symbol.for("deepstrf.modules");
const page = globalThis as unknown as Record<symbol, Map<string, unknown> | undefined>;
afterEach(() => {
  delete page[KEPT];
});

const flush = async () => {
  for (let i = 0; i < 8; i++) await Promise.resolve();
};

/** A bench whose gallery is open, with a module of ours as the gallery's code. */
async function opened(panels = ["gallery"]) {
  const closed = vi.fn();
  const render = vi.fn(({ el }: { el: HTMLElement }) => {
    el.append("the gallery");
    return closed;
  });
  page[KEPT] = new Map([["code", Promise.resolve({ default: { render } })]]);
  const mounted = mount({ panels, can_open: ["sounds", "gallery"] });
  await settle();
  await settle();
  const sent = () =>
    mounted.fixture.sent
      .map(({ request }) => request as unknown as Record<string, unknown>)
      .filter(({ type }) => type === "panel");
  const tell = (data: object, buffers: DataView[] = [], more: object = {}) =>
    mounted.fixture.model.message({ type: "panel", panel: "gallery", data, ...more }, buffers);
  return { ...mounted, sent, tell, render, closed };
}

describe("a panel", () => {
  it("is opened by its trait, after the bench has been painted, with code that the page has once", async () => {
    const { root, sent, tell, render } = await opened();
    expect(sent().map(({ panel, data }) => [panel, (data as { method: string }).method])).toEqual([
      ["gallery", "open"],
    ]);
    tell({ method: "opened", module: "code", state: { selected: 1 }, buffer_paths: [["kernels"]] }, [
      bytes([4]),
    ]);
    await flush();
    expect(render).toHaveBeenCalledOnce();
    const { model } = render.mock.calls[0][0] as unknown as { model: PanelModel };
    expect(model.get("selected")).toBe(1);
    expect((model.get("kernels") as DataView).getFloat32(0, true)).toBe(4);
    expect(root.querySelector("[data-panel=gallery] .db-panel-body")?.textContent).toBe("the gallery");
  });

  it("brings the editors of its bench into view, however high the bench is", () => {
    const { root } = mount();
    const scrolled = vi.fn();
    (root.querySelector(".db-panels") as HTMLElement).scrollIntoView = scrolled;
    const panel = root.appendChild(document.createElement("div"));
    bringEditors(panel);
    expect(scrolled).toHaveBeenCalledExactlyOnceWith({ block: "nearest" });
    bringEditors(document.createElement("div")); // one that stands alone
    expect(scrolled).toHaveBeenCalledOnce();
  });

  it("that is not on the page asks the kernel for its code", async () => {
    const { sent, tell } = await opened();
    tell({ method: "opened", module: "unknown", state: {}, buffer_paths: [] });
    await flush();
    expect(sent().at(-1)?.data).toEqual({ method: "module" });
  });

  it("says why the kernel refuses it", async () => {
    const { root, tell } = await opened();
    tell({ method: "refused", text: "no receptive fields" });
    expect(root.querySelector(".db-panel-body")?.textContent).toBe("no receptive fields");
  });

  it("hears nothing that is for another view", async () => {
    const { tell, render } = await opened();
    tell({ method: "opened", module: "code", state: {}, buffer_paths: [] }, [], { to: "somebody" });
    await flush();
    expect(render).not.toHaveBeenCalled();
  });

  it("is closed by one click, and opened from the menu", async () => {
    const { root, fixture, tell, closed, sent } = await opened();
    tell({ method: "opened", module: "code", state: {}, buffer_paths: [] });
    await flush();
    root.querySelector<HTMLElement>("[title='Close all neurons']")?.click();
    expect(closed).toHaveBeenCalledOnce();
    expect(fixture.model.get("panels")).toEqual([]);
    expect(root.querySelector("[data-panel=gallery].db-panel")).toBeNull();
    root.querySelector<HTMLElement>("[role=menuitemcheckbox][data-panel=sounds]")?.click();
    expect(fixture.model.get("panels")).toEqual(["sounds"]);
    expect(sent().at(-1)?.panel).toBe("sounds");
    fixture.model.set("panels", []); // as Python does
    expect(root.querySelector(".db-panel")).toBeNull();
  });

  it("goes with the bench", async () => {
    const { tell, closed, stop, fixture } = await opened();
    tell({ method: "opened", module: "code", state: {}, buffer_paths: [] });
    await flush();
    stop();
    expect(closed).toHaveBeenCalledOnce();
    expect(fixture.model.listeners()).toBe(0);
  });
});

describe("the model of a panel", () => {
  it("sends what was set, once, and tells of changes from either side", () => {
    const posted: unknown[] = [];
    const model = new PanelModel((data) => posted.push(data));
    const changed = vi.fn();
    model.on("change:sort", changed);
    model.set("sort", "name");
    model.save_changes();
    model.save_changes();
    expect(posted).toEqual([{ method: "update", state: { sort: "name" }, buffer_paths: [] }]);
    model.receive({ method: "update", state: { sort: "index" } }, []);
    expect(changed).toHaveBeenCalledTimes(2);
    const got = vi.fn();
    model.on("msg:custom", got);
    model.receive({ method: "custom", content: { type: "patch" } }, []);
    expect(got).toHaveBeenCalledWith({ type: "patch" }, []);
  });
});
