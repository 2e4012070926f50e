// @vitest-environment node
import { describe, expect, it, vi } from "vitest";
import { floats } from "../base/bytes";
import { Cleanup } from "../base/dom";
import { full, savedPage, vector } from "../testing/offline.fixture";
import { followAddress, type Place } from "./address";
import { type Saved, SavedPageModel } from "./saved-page";
import { MOST_CHARACTERS, PREFIX } from "./state-text";

async function through(bytes: Uint8Array<ArrayBuffer>, by: GenericTransformStream) {
  return new Uint8Array(
    await new Response(new Blob([bytes]).stream().pipeThrough(by as never)).arrayBuffer(),
  );
}
async function packed(state: unknown) {
  const bytes = await through(
    new TextEncoder().encode(JSON.stringify(state)),
    new CompressionStream("deflate"),
  );
  return (
    PREFIX +
    btoa(String.fromCharCode(...bytes))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
  );
}
async function read(text: string) {
  const letters = atob(text.slice(PREFIX.length).replace(/-/g, "+").replace(/_/g, "/"));
  const bytes = await through(
    Uint8Array.from(letters, (c) => c.charCodeAt(0)),
    new DecompressionStream("deflate"),
  );
  return JSON.parse(new TextDecoder().decode(bytes));
}

class FakePlace implements Place {
  hash: string;
  listeners = new Set<() => void>();
  constructor(hash = "") {
    this.hash = hash;
  }
  get location() {
    return { hash: this.hash, href: `https://a.b/c.html?d=1${this.hash}` };
  }
  history = {
    state: null,
    replaceState: (_state: unknown, _title: string, url?: string | URL | null) => {
      this.hash = String(url).includes("#") ? `#${String(url).split("#")[1]}` : "";
    },
  };
  addEventListener(_type: string, listener: () => void) {
    this.listeners.add(listener);
  }
  removeEventListener(_type: string, listener: () => void) {
    this.listeners.delete(listener);
  }
  go(hash: string) {
    this.hash = hash;
    for (const listener of this.listeners) listener();
  }
}

async function rest() {
  for (let i = 0; i < 20; i++) await new Promise((done) => setTimeout(done));
}

async function opened(hash = "", { whole = true, saved = savedPage([0.5, 0.125]) as Saved } = {}) {
  const model = new SavedPageModel(saved);
  const [place, cleanup] = [new FakePlace(hash), new Cleanup()];
  const link = followAddress(model, whole, place, cleanup);
  await rest();
  let seq = 0;
  const edit = async (name: string, index: number[], value: number, phase = "end") => {
    seq += 1;
    const content = { type: "edit", client: "p", seq, gesture: `g${seq}`, phase, edits: [{ name, index }] };
    model.send(content, undefined, [Float32Array.of(value).buffer]);
    await rest();
  };
  const values = () => ["gaussians", "prefilter", "activation"].map((name) => [...floats(model.get(name))]);
  return { model, place, cleanup, link, edit, values };
}

describe("the address of a page", () => {
  it("follows the edits once a gesture has ended, and opens a page as they left it", async () => {
    const one = await opened();
    expect(one.place.hash).toBe("");
    await one.edit("strf.weight", [0, 0, 1], 2.5, "move");
    expect(one.place.hash).toBe("");
    await one.edit("strf.band", [0, 0, 1], 3.25);
    await one.edit("strf.sigma_bands", [0, 0, 1], 1.75);
    await one.edit("strf.frame", [0, 1, 0], 1.5);
    await one.edit("prefilter.w", [2], 0.4);
    await one.edit("activation.b", [1], 0.75);
    one.model.set("neuron", 1);
    one.model.save_changes();
    await rest();
    expect(await one.link()).toBe(one.place.location.href);
    const two = await opened(one.place.hash);
    expect(two.model.get("neuron")).toBe(1);
    expect(two.values()).toEqual(one.values());
    two.model.set("neuron", 0);
    one.model.set("neuron", 0);
    for (const { model } of [one, two]) model.save_changes();
    await rest();
    const [a, b] = [one.values(), two.values()];
    a.flat().forEach((value, i) => {
      expect(b.flat()[i]).toBeCloseTo(value, 5);
    });
    expect(two.model.get("can_undo")).toBe(true);
    two.model.send({ type: "undo", client: "p", seq: 99 });
    await rest();
    expect(two.values()).toEqual((await opened()).values());
    expect(two.place.hash).toBe("");
  });

  it("says in natural units what Python's state says", async () => {
    const { edit, place } = await opened();
    await edit("strf.band", [1, 0, 1], 1);
    await edit("prefilter.w", [2], 0.5);
    const state = await read(place.hash.slice(1));
    expect(state.neurons).toBe(2);
    expect(state.edits[0].slice(0, 2)).toEqual(["strf.center_hz", [1, 0, 1]]);
    expect(state.edits[0][2]).toBeCloseTo(vector.cf_hz[1], 3);
    expect(state.edits.slice(1)).toEqual([["prefilter.w", [2], 0.5]]);
  });

  it("keeps what only other neurons and a kernel have", async () => {
    const saved = savedPage([0.5]);
    const gain = ["tensors.readout.bn.weight", [7], 2];
    const other = ["strf.weight", [3, 0, 0], 4];
    saved.origin = { n_neurons: 9, neurons: [7], sounds: [2], fixed: [gain, other] as never };
    const { edit, place, values } = await opened("", { saved });
    await edit("strf.weight", [0, 0, 0], 3);
    const state = await read(place.hash.slice(1));
    expect(state).toEqual({
      neurons: 9,
      edits: [gain, other, ["strf.weight", [7, 0, 0], 3]],
      view: { neuron: 7, sound: 2 },
    });
    const before = values();
    // Without the gain it is the state of another model.
    place.go(`#${await packed({ neurons: 9, edits: [["strf.weight", [7, 0, 0], 1]] })}`);
    await rest();
    expect(values()).toEqual(before);
    place.go(`#${await packed({ neurons: 9, edits: [gain, ["strf.weight", [4, 0, 0], 8]] })}`);
    await rest();
    expect(values()).not.toEqual(before);
    await edit("strf.weight", [0, 0, 1], 3);
    expect((await read(place.hash.slice(1))).edits[1]).toEqual(["strf.weight", [4, 0, 0], 8]);
  });

  it("holds a field that was painted as one array", async () => {
    const { edit, place, values } = await opened("", {
      saved: savedPage([1], { "strf.kernel": [-1e9, 1e9] }, full),
    });
    for (let t = 0; t < 10; t++) await edit("strf.kernel", [0, t % 2, t % 3, Math.floor(t / 6)], t + 5);
    const state = await read(place.hash.slice(1));
    expect(state.edits).toHaveLength(1);
    expect(state.edits[0][1]).toEqual([0]);
    const two = await opened(place.hash, { saved: savedPage([1], { "strf.kernel": [-1e9, 1e9] }, full) });
    expect(two.values()).toEqual(values());
  });

  const good = ["strf.weight", [0, 0, 0], 1];
  const edits = (...some: unknown[]) => ({ neurons: 2, edits: some });
  it.each<[string, unknown, string]>([
    ["another place", "chapter-2", "ends in no state of a bench"],
    ["no zlib", `${PREFIX}AAAA`, "damaged"],
    ["no base64", `${PREFIX}%%%`, "damaged"],
    ["a text without its end", "cut", "damaged"],
    ["too many characters", PREFIX + "A".repeat(MOST_CHARACTERS), "characters"],
    ["a small text that holds a lot", "[".repeat(11e6), "damaged"],
    ["another number of neurons", { neurons: 3, edits: [good] }, "of 3 neurons"],
    ["no such Gaussian", edits(["strf.weight", [0, 0, 9], 1]), "strf.weight does not fit"],
    ["too long an index", edits(["strf.weight", [0, 0, 0, 0], 1]), "strf.weight does not fit"],
    ["no number", edits(["strf.weight", [0, 0, 0], "1"]), "strf.weight does not fit"],
    ["another shape", edits(["strf.weight", [0], [[1]]]), "strf.weight does not fit"],
    ["a place twice", edits(good, good), "strf.weight does not fit"],
    ["outside its limits", edits(["strf.center_hz", [0, 0, 0], 1e9]), "strf.center_hz does not fit"],
    ["a negative frequency", edits(["strf.center_hz", [0, 0, 0], -1]), "strf.center_hz does not fit"],
    ["another kind of field", edits(["strf.kernel", [0, 0, 0, 0], 1]), "cannot set strf.kernel"],
    ["a name of the grid", edits(["strf.band", [0, 0, 0], 1]), "cannot set strf.band"],
    ["a negative neuron", { ...edits(good), view: { neuron: -1 } }, "damaged"],
    ["edits that are no list", { neurons: 2, edits: {} }, "damaged"],
    ["null", null, "damaged"],
  ])("%s is refused in one sentence and changes nothing", async (what, state, why) => {
    const text = what === "a text without its end" ? (await packed(edits(good))).slice(0, -6) : state;
    const hash =
      typeof text === "string" && what !== "a small text that holds a lot" ? text : await packed(text);
    const start = (await opened()).values();
    const { model, values } = await opened(`#${hash}`);
    await vi.waitFor(() => expect(model.get("error")).toContain(why));
    expect(model.get("error")).toMatch(/: nothing has been changed\.$/);
    expect(values()).toEqual(start);
    expect(model.get("can_undo")).toBe(false);
  });

  it("refuses to set what is locked", async () => {
    const saved = savedPage([0.5, 0.125]);
    saved.info.locked = ["strf.weight"];
    const { model } = await opened(`#${await packed({ neurons: 2, edits: [good] })}`, { saved });
    expect(model.get("error")).toContain("strf.weight, which is locked here");
  });

  it("brings a state back that the user goes back to, and the page as it was saved without one", async () => {
    const { edit, place, values } = await opened();
    const start = values();
    await edit("strf.weight", [0, 0, 0], 3);
    const edited = values();
    const hash = place.hash;
    place.go("");
    await rest();
    expect(values()).toEqual(start);
    place.go(hash);
    await rest();
    expect(values()).toEqual(edited);
  });

  it("is left alone by a bench in a page that has places of its own", async () => {
    const { edit, place, model, link } = await opened("#introduction", { whole: false });
    await edit("strf.weight", [0, 0, 0], 3);
    expect([place.hash, model.get("error")]).toEqual(["#introduction", ""]);
    expect(await link()).toContain(`#${PREFIX}`);
  });

  it("says which bench of several it is of", async () => {
    const one = await opened("", { whole: false });
    const [second, cleanup] = [new SavedPageModel(savedPage([0.5, 0.125])), new Cleanup()];
    const link = followAddress(second, false, one.place, cleanup);
    await rest();
    const weight = () => floats(second.get("gaussians"))[4];
    const text = await packed({ neurons: 2, edits: [["strf.weight", [0, 0, 0], 8]] });
    one.place.go(`#bench-2=${text}`);
    await rest();
    expect([weight(), one.model.get("can_undo"), one.model.get("error")]).toEqual([8, false, ""]);
    expect(await link()).toContain(`#bench-2=${PREFIX}`);
    // The first leaves the address to the second, and takes its own.
    await one.edit("strf.weight", [0, 0, 0], 3);
    expect(one.place.hash).toContain("#bench-2=");
    one.place.go("");
    await rest();
    expect(weight()).toBe(0.5);
    cleanup.run();
    const third = followAddress(new SavedPageModel(savedPage([0.5])), false, one.place, new Cleanup());
    expect(await third()).toContain(`#bench-2=${PREFIX}`);
  });

  it("is let go of when the bench goes", async () => {
    const { cleanup, place, edit } = await opened();
    cleanup.run();
    await edit("strf.weight", [0, 0, 0], 3);
    expect([place.hash, place.listeners.size]).toEqual(["", 0]);
  });
});
