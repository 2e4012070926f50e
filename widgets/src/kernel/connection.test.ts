import { describe, expect, it, vi } from "vitest";
import { type Connection, type HostKernel, watchConnection } from "./connection";

type Slot = (sender: unknown, value: unknown) => void;

/** A kernel as JupyterLab's, which the test lets change. */
function made() {
  const slots: Record<string, Set<Slot>> = { status: new Set(), connection: new Set(), disposed: new Set() };
  const signal = (name: string) => ({
    connect: (slot: Slot) => slots[name].add(slot),
    disconnect: (slot: Slot) => slots[name].delete(slot),
  });
  const kernel = {
    status: "idle",
    connectionStatus: "connected",
    isDisposed: false,
    statusChanged: signal("status"),
    connectionStatusChanged: signal("connection"),
    disposed: signal("disposed"),
  };
  const emit = (name: string, value?: unknown) => {
    for (const slot of slots[name]) slot(kernel, value);
  };
  const listeners = () => Object.values(slots).reduce((sum, { size }) => sum + size, 0);
  return { kernel: kernel satisfies HostKernel, emit, listeners };
}

function watched(cutOff = () => false) {
  const { kernel, emit, listeners } = made();
  const reported: Connection[] = [];
  const { check, stop } = watchConnection(kernel, cutOff, (connection) => reported.push(connection));
  return { kernel, emit, listeners, reported, check, stop };
}

describe("the connection to a kernel", () => {
  it("is live while it works, and reports nothing", () => {
    const { emit, reported } = watched();
    for (const status of ["busy", "idle", "starting", "unknown"]) emit("status", status);
    expect(reported).toEqual([]);
  });

  it.each(["restarting", "autorestarting", "dead", "terminating"])(
    "is gone for good once it is %s",
    (end) => {
      const { emit, reported } = watched();
      emit("status", end);
      emit("status", "starting");
      emit("status", "idle");
      expect(reported).toEqual(["gone"]);
    },
  );

  it("is gone with a kernel that was shut down or exchanged", () => {
    const { emit, reported } = watched();
    emit("disposed");
    expect(reported).toEqual(["gone"]);
  });

  it("is lost while the browser tries to reach it, and live when it has", () => {
    const { kernel, emit, reported } = watched();
    for (const status of ["connecting", "disconnected", "connecting", "connected"]) {
      kernel.connectionStatus = status;
      emit("connection", status);
    }
    expect(reported).toEqual(["lost", "live"]);
  });

  it("is gone from the start where the host has marked a saved view, and live where a host says nothing", () => {
    expect(watched(() => true).reported).toEqual(["gone"]);
    const changed = vi.fn();
    watchConnection(undefined, () => false, changed).check();
    watchConnection(null, () => false, changed).check();
    watchConnection({}, () => false, changed).check();
    expect(changed).not.toHaveBeenCalled();
  });

  it("is followed until the view is closed", () => {
    const { listeners, stop } = watched();
    expect(listeners()).toBe(3);
    stop();
    expect(listeners()).toBe(0);
  });
});
