/** What the host tells of the kernel behind a view. */

/**
 * "live"; "lost" while the browser has no connection to it and tries again; "gone" when it was restarted, has ended, or
 * was another one: it knows nothing of the view any more, and will not.
 */
export type Connection = "live" | "lost" | "gone";

interface Signal {
  connect(slot: (sender: unknown, value: unknown) => void): unknown;
  disconnect(slot: (sender: unknown, value: unknown) => void): unknown;
}

/** A kernel as JupyterLab and Notebook give it to their widget manager. */
export interface HostKernel {
  readonly status?: unknown;
  readonly connectionStatus?: unknown;
  readonly isDisposed?: boolean;
  readonly statusChanged?: Signal;
  readonly connectionStatusChanged?: Signal;
  readonly disposed?: Signal;
}

const ENDS = new Set<unknown>(["restarting", "autorestarting", "terminating", "dead"]);
const AWAY = new Set<unknown>(["connecting", "disconnected"]);

/**
 * Call back with the connection to a kernel whenever it changes, and now if it is not live; returns what ends this.
 *
 * `cutOff` says whether the host has marked the view as without a kernel: a saved view beside a fresh kernel.
 */
export function watchConnection(
  kernel: HostKernel | null | undefined,
  cutOff: () => boolean,
  changed: (connection: Connection) => void,
): { check(): void; stop(): void } {
  let ended = false;
  let reported: Connection = "live";
  const check = () => {
    ended ||= kernel?.isDisposed === true || ENDS.has(kernel?.status);
    const now = ended || cutOff() ? "gone" : AWAY.has(kernel?.connectionStatus) ? "lost" : "live";
    if (now === reported) return;
    reported = now;
    changed(now);
  };
  // A restart passes too quickly to be read from the kernel afterwards.
  const onStatus = (_: unknown, status: unknown) => {
    ended ||= ENDS.has(status);
    check();
  };
  const onDisposed = () => {
    ended = true;
    check();
  };
  const links: [Signal | undefined, (sender: unknown, value: unknown) => void][] = [
    [kernel?.statusChanged, onStatus],
    [kernel?.connectionStatusChanged, check],
    [kernel?.disposed, onDisposed],
  ];
  for (const [signal, slot] of links) signal?.connect(slot);
  check();
  return {
    check,
    stop: () => {
      for (const [signal, slot] of links) signal?.disconnect(slot);
    },
  };
}
