/**
 * Over a slow link whose answers come late, twice and out of order, browser and kernel always end alike, whatever the user did.
 * The kernel is the one of a saved page; tests/browser/test_far.py does the same with the one in Python.
 */

import fc from "fast-check";
import { expect, it } from "vitest";
import { floats } from "../base/bytes";
import { Group, type Act as GroupAct, inUse, members, moved, scaled } from "../editors/strf/gaussians/group";
import { Selection } from "../editors/strf/gaussians/selection";
import { type BenchModel, TRAITS, type Trait, WRITTEN } from "../kernel/contract";
import { SavedPageModel } from "../offline/saved-page";
import { StaticModel } from "../offline/static-model";
import { full, savedPage, separable, vector } from "../testing/offline.fixture";
import { BenchState } from "./bench-state";

const WEIGHTS = [vector.gaussians[4], vector.gaussians[4]];
const SEEN = ["gaussians", "factors", "prefilter", "activation", "kernel", "rate"] as const;
const ONE_WAY_MS = 100;

/** A clock whose time passes in `pass` alone. */
class Time {
  now = 0;
  #due: { at: number; number: number; run: () => void }[] = [];
  #count = 0;

  after(ms: number, run: () => void): () => void {
    const item = { at: this.now + ms, number: this.#count++, run };
    this.#due.push(item);
    return () => {
      this.#due = this.#due.filter((other) => other !== item);
    };
  }

  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const next = this.#due
        .filter((item) => item.at <= end)
        .sort((a, b) => a.at - b.at || a.number - b.number)[0];
      if (!next) break;
      this.#due = this.#due.filter((item) => item !== next);
      this.now = next.at;
      next.run();
      await Promise.resolve();
    }
    this.now = end;
  }
}

/** Delays of one answer on the link: how much later it comes, and how much later once more (0: not). */
interface Delays {
  late: number;
  again: number;
}

/** Browser and kernel with the link in between: in order there, and back in order but for the answers. */
function linked(delays: Delays[], of = vector) {
  const time = new Time();
  const there = new SavedPageModel(savedPage(WEIGHTS, {}, of), (answer) => answer());
  const state = Object.fromEntries(TRAITS.map((name) => [name, there.get(name)]));
  const here = new StaticModel(state, (content, buffers) => {
    time.after(ONE_WAY_MS, () => there.send(content, undefined, buffers));
  });
  let fromKernel = true;
  here.saved = (changes) => {
    if (fromKernel) return;
    const chosen = changes.filter(([name]) => (WRITTEN as readonly string[]).includes(name));
    time.after(ONE_WAY_MS, () => {
      for (const [name, value] of chosen) there.set(name, value);
      there.save_changes();
    });
  };
  fromKernel = false;
  for (const name of TRAITS.filter((name) => !(WRITTEN as readonly Trait[]).includes(name))) {
    there.on(`change:${name}`, () => {
      const value = there.get(name);
      time.after(ONE_WAY_MS, () => {
        fromKernel = true;
        here.set(name, value);
        here.save_changes();
        fromKernel = false;
      });
    });
  }
  let answers = 0;
  there.on("msg:custom", (message: unknown, buffers: DataView[]) => {
    const { late, again } = delays[answers++ % delays.length];
    time.after(ONE_WAY_MS + late, () => here.message(message, buffers));
    if (again > 0) time.after(ONE_WAY_MS + late + again, () => here.message(message, buffers));
  });
  const clock = { now: () => time.now, later: (run: () => void, ms: number) => time.after(ms, run) };
  return { time, there, page: new BenchState(here as BenchModel, clock) };
}

const weight = fc.double({ min: -2, max: 2, noNaN: true });
const gaussian = fc.nat(vector.n_gaussians - 1);
const band = fc.double({ min: 0, max: vector.F - 1, noNaN: true });
const row = fc.nat(vector.prefilter.rows.length - 1);
type Act = (page: BenchState) => void;
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: gaussian.map((k) => (page: BenchState) => page.beginGesture(k)) },
  { weight: 6, arbitrary: weight.map((value) => (page: BenchState) => page.edit({ weight: value })) },
  { weight: 4, arbitrary: band.map((value) => (page: BenchState) => page.edit({ band: value })) },
  {
    weight: 3,
    arbitrary: fc.tuple(row, fc.nat(vector.F - 1), fc.double({ min: 5, max: 400, noNaN: true })).map(
      ([r, band, value]) =>
        (page: BenchState) =>
          page.set([{ name: vector.prefilter.rows[r], index: [band], value }]),
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.nat(vector.activation.names.length - 1), fc.double({ min: 0.1, max: 2, noNaN: true }))
      .map(
        ([i, value]) =>
          (page: BenchState) =>
            page.set([{ name: `activation.${vector.activation.names[i]}`, index: [page.neuron], value }]),
      ),
  },
  { weight: 4, arbitrary: fc.boolean().map((cancel) => (page: BenchState) => page.endGesture(cancel)) },
  { weight: 2, arbitrary: fc.constant((page: BenchState) => page.undo()) },
  { weight: 2, arbitrary: fc.constant((page: BenchState) => page.redo()) },
  {
    weight: 4,
    arbitrary: fc.tuple(weight, weight).map(([bands, frames]) => (page: BenchState) => {
      const of = members(page, inUse(page));
      page.set([...moved(page, of, bands, frames), ...scaled(page, of, bands)]);
    }),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom<GroupAct>("add", "duplicate", "remove", "revert"), gaussian, gaussian)
      .map(([act, ...ks]) => (page: BenchState) => {
        const selection = new Selection(page, () => {});
        selection.set([...new Set(ks)]);
        new Group(page, selection, () => 1).act(act);
      }),
  },
  { weight: 1, arbitrary: gaussian.map((k) => (page: BenchState) => page.revert(k)) },
  { weight: 1, arbitrary: fc.constant((page: BenchState) => page.revert(null)) },
  {
    weight: 1,
    arbitrary: fc.nat(WEIGHTS.length - 1).map((n) => (page: BenchState) => page.choose("neuron", n)),
  },
  {
    weight: 1,
    arbitrary: fc.nat(vector.n_channels - 1).map((c) => (page: BenchState) => page.choose("channel", c)),
  },
);
/** A dab over some cells: each name with the end of its index; a release that cancels, undo and the rest around it. */
function painted(of: typeof vector): fc.Arbitrary<Act>[] {
  const { F, T, n_channels: C } = of;
  const cell = (name: string, ...sizes: number[]) =>
    fc.tuple(...sizes.map((size) => fc.nat(size - 1))).map((at) => ({ name, at }));
  const place =
    of === full
      ? cell("strf.kernel", C, F, T)
      : fc.oneof(cell("strf.factor_f", C, F), cell("strf.factor_t", C, T));
  const dab = fc.tuple(fc.array(place, { minLength: 1, maxLength: 12 }), weight);
  const set = (page: BenchState, cells: { name: string; at: number[] }[], value: number) =>
    page.set(cells.map(({ name, at }, i) => ({ name, index: [page.neuron, ...at], value: value + i })));
  return [
    fc.constant((page) => page.beginGesture()),
    dab.map(
      ([cells, value]) =>
        (page: BenchState) =>
          set(page, cells, value),
    ),
    dab.map(([cells, value]) => (page: BenchState) => {
      page.beginGesture();
      set(page, cells, value);
    }),
    fc.boolean().map((cancel) => (page: BenchState) => page.endGesture(cancel)),
    fc.constant((page) => page.undo()),
    fc.constant((page) => page.redo()),
    fc.constant((page) => page.revert(null)),
    fc.nat(WEIGHTS.length - 1).map((n) => (page: BenchState) => page.choose("neuron", n)),
  ];
}
const stories = (one: fc.Arbitrary<Act>) =>
  fc.array(fc.tuple(one, fc.nat(250)), { minLength: 1, maxLength: 40 });
const delays = fc.array(fc.record({ late: fc.nat(600), again: fc.nat(400) }), { minLength: 1, maxLength: 9 });

it.each([
  ["Gaussians are moved", vector, stories(act), 300],
  ["a free field is painted", full, stories(fc.oneof(...painted(full))), 200],
  ["profiles are painted", separable, stories(fc.oneof(...painted(separable))), 200],
] as const)(
  "ends in the browser as it ends in the kernel: %s",
  async (_, of, story, numRuns) => {
    await fc.assert(
      fc.asyncProperty(story, delays, async (acts, link) => {
        const { time, there, page } = linked(link, of);
        for (const [act, ms] of acts) {
          act(page);
          await time.pass(ms);
        }
        page.endGesture();
        await time.pass(60_000);
        expect(page.queue.pending()).toBe(0);
        expect(page.error).toBe("");
        expect(page.neuron).toBe(there.get("neuron"));
        for (const part of SEEN) {
          expect([part, ...Float32Array.from(page[part])]).toEqual([part, ...floats(there.get(part))]);
        }
        expect([page.canUndo, page.canRedo]).toEqual([there.get("can_undo"), there.get("can_redo")]);
      }),
      { numRuns },
    );
  },
  30_000,
);
