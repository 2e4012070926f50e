// @vitest-environment happy-dom
import { describe, expect, it, vi } from "vitest";
import { GAUSSIANS } from "../testing/bench.fixture";
import {
  edits,
  frame,
  handle,
  key,
  mount,
  onEveryPage,
  open,
  pointer,
  settle,
} from "../testing/mount.fixture";

onEveryPage();

const CUT_OFF = "jupyter-widgets-disconnected";
const badge = (root: Element) => root.querySelector(".db-link") as HTMLElement;
const line = (root: Element) => root.querySelector(".db-message") as HTMLElement;
const offer = (root: Element) => root.querySelector(".db-offer") as HTMLElement;

/** A bench whose host has cut it off from its kernel. */
async function cutOff(traits: Record<string, unknown> = {}) {
  const mounted = mount({ can_undo: true, can_redo: true, edited: true, ...traits });
  mounted.el.classList.add(CUT_OFF);
  await vi.waitFor(() => expect(badge(mounted.root).dataset.link).toBe("gone"));
  frame();
  return mounted;
}

describe("a bench whose kernel is gone", () => {
  it("says so in words, and what to do", async () => {
    const { root } = mount();
    expect([badge(root).textContent, badge(root).dataset.link]).toEqual(["live", "live"]);
    const gone = await cutOff();
    expect(badge(gone.root).textContent).toBe("kernel gone");
    expect(line(gone.root).textContent).toContain("run the cell again");
  });

  it("can be edited by no handle, key or button", async () => {
    const { fixture, root } = await cutOff({ selected: 0 });
    const sent = fixture.sent.length;
    const before = handle(root, 0).style.transform;
    pointer(handle(root, 0), "pointerdown", 214, 207);
    pointer(handle(root, 0), "pointermove", 254, 169);
    pointer(handle(root, 0), "pointerup", 254, 169);
    key(handle(root, 0), "ArrowUp");
    key(root, "z", { ctrlKey: true });
    frame();
    expect(handle(root, 0).style.transform).toBe(before);
    expect(handle(root, 0).getAttribute("aria-disabled")).toBe("true");
    expect(fixture.sent).toHaveLength(sent);
    const buttons = [
      ...root.querySelectorAll<HTMLButtonElement>(".db-toolbar .db-button, .db-neuron button"),
    ];
    const able = buttons.filter((one) => !one.disabled).map((one) => one.title);
    expect(able.filter((title) => /^(Undo|Redo|Take|Previous|Next)/.test(title))).toEqual([]);
    expect([...root.querySelectorAll<HTMLInputElement>(".db-number")].every((input) => input.disabled)).toBe(
      true,
    );
  });

  it("drops the gesture that was open, and asks for nothing any more", async () => {
    const mounted = mount();
    key(handle(mounted.root, 0), "ArrowUp");
    mounted.el.classList.add(CUT_OFF);
    await vi.waitFor(() => expect(badge(mounted.root).dataset.link).toBe("gone"));
    const sent = mounted.fixture.sent.length;
    vi.advanceTimersByTime(60_000);
    expect(mounted.fixture.sent).toHaveLength(sent);
    expect(line(mounted.root).textContent).not.toContain("busy");
  });

  it("leaves its edits to the next bench of the model, which offers to put them back", async () => {
    const left = await cutOff({ edits: "deepstrf1:text" });
    expect(line(left.root).textContent).toContain("offers to put your edits back");
    left.stop();
    open.pop();
    const other = mount({}, { n_lags: 6 });
    expect(offer(other.root).hidden).toBe(true);
    const next = mount();
    expect(offer(next.root).hidden).toBe(false);
    offer(next.root).querySelector("button")?.click();
    expect(next.fixture.last.request).toMatchObject({ type: "restore", state: "deepstrf1:text" });
    expect(offer(next.root).hidden).toBe(true);
    expect(offer(mount().root).hidden).toBe(true);
  });

  it("leaves too what was set since the kernel saved its edits, but not what was taken back", async () => {
    const mounted = mount({ edited: true, edits: "deepstrf1:text", selected: 0 });
    pointer(handle(mounted.root, 1), "pointerdown", 214, 207);
    pointer(handle(mounted.root, 1), "pointermove", 254, 169);
    key(handle(mounted.root, 1), "Escape");
    pointer(handle(mounted.root, 0), "pointerdown", 214, 207);
    pointer(handle(mounted.root, 0), "pointermove", 254, 169);
    mounted.el.classList.add(CUT_OFF);
    await vi.waitFor(() => expect(badge(mounted.root).dataset.link).toBe("gone"));
    frame();
    const held = mounted.fixture.last.values;
    const next = mount();
    offer(next.root).querySelector("button")?.click();
    expect(next.fixture.last.request).toMatchObject({ type: "restore", state: "deepstrf1:text" });
    next.fixture.answer({});
    const { request, values } = next.fixture.last;
    expect(request).toMatchObject({
      phase: "end",
      edits: [1, 1, 0, 0].map((k, i) => ({ name: ["strf.band", "strf.frame"][i % 2], index: [0, 0, k] })),
    });
    expect(held).not.toEqual(GAUSSIANS.slice(0, 2));
    expect(values).toEqual([...GAUSSIANS.slice(5, 7), ...held]);
  });

  it("forgets them where the user wants that", async () => {
    await cutOff({ edits: "deepstrf1:text" });
    const next = mount();
    offer(next.root).querySelectorAll("button")[1].click();
    expect(offer(next.root).hidden).toBe(true);
    expect(offer(mount().root).hidden).toBe(true);
    expect(edits(next.fixture)).toHaveLength(0);
  });
});

describe("a score", () => {
  it("that has been older than the curve for 0.4 s is grey until the answer has come", async () => {
    const { fixture, root } = mount();
    const score = root.querySelector(".db-score") as HTMLElement;
    expect(score.dataset.old).toBeUndefined();
    // Answers that come soon: of a drag it is not told, however long it takes.
    for (let step = 0; step < 4; step++) {
      key(handle(root, 0), "ArrowUp");
      vi.advanceTimersByTime(200);
      expect(score.dataset.old).toBeUndefined();
      fixture.answer({});
    }
    key(handle(root, 0), "ArrowUp");
    vi.advanceTimersByTime(399);
    expect(score.dataset.old).toBeUndefined();
    vi.advanceTimersByTime(1);
    expect(score.dataset.old).toBe("");
    fixture.answer({});
    await settle();
    expect(score.dataset.old).toBeUndefined();
  });
});
