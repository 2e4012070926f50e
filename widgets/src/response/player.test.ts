// @vitest-environment happy-dom

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { SAMPLE_RATE } from "../math/sound";
import { bytes } from "../testing/bench.fixture";
import { mount, onEveryPage, settle } from "../testing/mount.fixture";

onEveryPage();

/** What was started: its samples by ear, and the volume that it goes through. */
class FakeSource {
  buffer: FakeBuffer | null = null;
  onended: (() => void) | null = null;
  through: FakeGain | null = null;
  stopped = false;
  connect(gain: FakeGain) {
    this.through = gain;
  }
  disconnect() {}
  start() {
    started.push(this);
  }
  stop() {
    this.stopped = true;
  }
}
class FakeGain {
  gain = { value: 1 };
  connect() {}
  disconnect() {}
}
class FakeBuffer {
  ears: Float32Array[] = [];
  copyToChannel(samples: Float32Array, ear: number) {
    this.ears[ear] = samples;
  }
}
let started: FakeSource[] = [];
class FakeContext {
  currentTime = 0;
  destination = {};
  resume = async () => {};
  close = async () => {};
  createBuffer = () => new FakeBuffer();
  createBufferSource = () => new FakeSource();
  createGain = () => new FakeGain();
}

beforeEach(() => {
  started = [];
  vi.stubGlobal("AudioContext", FakeContext);
});
afterEach(() => vi.unstubAllGlobals());

/** Times in ms at which a click begins. */
function clicksIn(samples: Float32Array): number[] {
  const times: number[] = [];
  let quiet = 1000;
  samples.forEach((value, i) => {
    if (value !== 0 && quiet > 40) times.push((1000 * i) / SAMPLE_RATE);
    quiet = value === 0 ? quiet + 1 : 0;
  });
  return times;
}

async function page(traits: Record<string, unknown>) {
  const mounted = mount({ psth: bytes([1, 1, 1, 1, 1, 1]), ...traits }, { has_responses: true });
  await settle();
  const { root, fixture } = mounted;
  const play = root.querySelector<HTMLElement>(".db-play")!;
  const info = fixture.model.get("info") as { dt_ms: number; n_frames: number };
  const select = root.querySelector<HTMLSelectElement>(".db-mixer select")!;
  return { ...mounted, play, info, select };
}

it("a recorded trial is heard with its own spikes, in the left ear", async () => {
  const probe = await page({});
  const { dt_ms, n_frames } = probe.info;
  const { play, select } = await page({ spikes: bytes([2, 1, n_frames + 3]) });
  expect([...select.options].map(({ text }) => text)).toEqual([
    "trial 1",
    "trial 2",
    "drawn from the mean rate",
  ]);
  play.click();
  expect(started.length).toBe(3);
  const [sound, recorded] = started;
  expect(sound.buffer!.ears[0]).toBe(sound.buffer!.ears[1]);
  expect(recorded.buffer!.ears[1].every((value) => value === 0)).toBe(true);
  const bins = () => clicksIn(started[1].buffer!.ears[0]).map((time) => Math.floor(time / dt_ms));
  expect(bins()).toEqual([1]);
  play.click();
  expect(started.every(({ stopped }) => stopped)).toBe(true);
  started = [];
  select.value = "1";
  play.click();
  expect(bins()).toEqual([3]);
});

it("volumes change while it plays", async () => {
  const { play, root } = await page({ spikes: bytes([1, 1]) });
  play.click();
  const slider = root.querySelector<HTMLInputElement>("[data-voice=recorded] input")!;
  slider.value = "0.25";
  slider.dispatchEvent(new Event("input"));
  expect(started.map(({ through }) => through!.gain.value)).toEqual([1, 0.25, 1]);
  play.click();
  started = [];
  play.click();
  expect(started[1].through!.gain.value).toBe(0.25);
});

it("where no counts were recorded, spikes are drawn from the mean, and that is said", async () => {
  const { select } = await page({ spikes: bytes([]) });
  expect([...select.options].map(({ text }) => text)).toEqual([
    "drawn from the mean rate (no counts were recorded)",
  ]);
});

it("the mixer opens, closes with Escape, and keeps its keys from the time axis", async () => {
  const { root } = await page({});
  const opener = root.querySelector<HTMLElement>(".db-mixer-menu > button")!;
  opener.click();
  const menu = root.querySelector<HTMLElement>(".db-mixer")!;
  expect(menu.hidden).toBe(false);
  const pressed = new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true });
  opener.dispatchEvent(pressed);
  expect(menu.hidden).toBe(true);
});
