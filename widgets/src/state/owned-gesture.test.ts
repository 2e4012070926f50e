import { expect, it } from "vitest";
import type { BenchState } from "./bench-state";
import { OwnedGesture } from "./owned-gesture";

/** A state that keeps what is called of it, and a timer that the test lets run. */
function made() {
  const calls: string[] = [];
  const timers = new Set<() => void>();
  const state = {
    gestureId: null as string | null,
    beginGesture(k: number) {
      this.gestureId = `gesture ${calls.push(`begin ${k}`)}`;
    },
    endGesture(cancel: boolean) {
      this.gestureId = null;
      calls.push(cancel ? "cancel" : "end");
    },
    clock: {
      later(callback: () => void, ms: number) {
        calls.push(`timer ${ms}`);
        timers.add(callback);
        return () => timers.delete(callback);
      },
    },
  };
  const runTimers = () => {
    for (const callback of timers) callback();
    timers.clear();
  };
  return { calls, timers, state, runTimers, owned: new OwnedGesture(state as unknown as BenchState) };
}

it("concerns no Gaussian unless one is named", () => {
  const { calls, owned } = made();
  owned.begin();
  expect(owned.end()).toBe(true);
  owned.join("wheel");
  owned.end(true);
  owned.join("wheel", 2);
  expect(calls).toEqual(["begin -1", "end", "begin -1", "timer 600", "cancel", "begin 2", "timer 600"]);
});

it("joins steps of one key until 600 ms have passed, and restarts that time with each", () => {
  const { calls, timers, owned, runTimers } = made();
  expect([owned.join("up"), owned.join("up"), timers.size]).toEqual([true, false, 1]);
  runTimers();
  expect([owned.open, owned.end(), owned.join("up"), owned.join("down"), timers.size]).toEqual([
    ...[false, false, true, true, 1],
  ]);
  const begun = calls.filter((call) => !call.startsWith("timer"));
  expect(begun).toEqual(["begin -1", "end", "begin -1", "end", "begin -1"]);
});

it("does not join a drag that has begun after the last step", () => {
  const { owned } = made();
  owned.join("up");
  owned.end();
  owned.begin();
  expect(owned.join("up")).toBe(true);
});

it("leaves a gesture alone that another owner has begun", () => {
  const { calls, state, owned } = made();
  owned.begin();
  state.beginGesture(3);
  expect([owned.open, owned.end()]).toEqual([false, false]);
  expect(calls).toEqual(["begin -1", "begin 3"]);
});
