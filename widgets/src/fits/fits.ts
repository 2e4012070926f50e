/** The table of many fits while they run: progress, the best so far, failures with their tracebacks; a row opens the bench. */

import { Cleanup, element, setAttribute, setText } from "../base/dom";
import { fixed } from "../base/format";
import type { BenchModel } from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import { keepKeys } from "../ui/host-keys";

/** Of `FitTable`. */
export const FIT_SCORES = ["r", "CCnorm", "fve"] as const;

export interface FitRow {
  job: string;
  state: "waiting" | "done" | "failed";
  scores: (number | null)[];
  seconds: number | null;
  attempts: number;
  error: string;
}

export interface FitsInfo {
  total: number;
  done: number;
  failed: number;
  best: number | null;
  score: (typeof FIT_SCORES)[number];
  left_s: number | null;
  running: boolean;
  opened: number | null;
}

const COLUMNS = ["job", ...FIT_SCORES, "seconds", "state"];

/** "40 s", "3 min", "2.5 h". */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(Math.round(seconds), 1)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${fixed(seconds / 3600, 1)} h`;
}

/** The state of all fits as one line. */
export function summary(info: FitsInfo, rows: FitRow[]): string {
  const { total, done, failed, best, score, left_s, running } = info;
  if (total === 0) return "No fits yet";
  const parts = [`${done} of ${total} done`];
  if (failed > 0) parts.push(`${failed} failed`);
  if (best !== null && rows[best]) {
    const value = rows[best].scores[FIT_SCORES.indexOf(score)];
    parts.push(`best ${rows[best].job}: ${score} = ${value === null ? "–" : fixed(value, 3)}`);
  }
  if (!running && done < total) parts.push("stopped: run it again to go on");
  else if (left_s !== null && done < total) parts.push(`about ${duration(left_s)} left`);
  return parts.join(" · ");
}

const stateText = ({ state, attempts }: FitRow) =>
  state === "waiting" && attempts > 0
    ? `waiting again (${attempts} workers died)`
    : state === "done" && attempts === 0
      ? "done before"
      : state;

/** What a column sorts by; missing values last. */
function keyOf(row: FitRow, column: number): number | string {
  if (column === 0) return row.job;
  if (column <= FIT_SCORES.length) return -(row.scores[column - 1] ?? -Infinity);
  return column === FIT_SCORES.length + 1 ? (row.seconds ?? Infinity) : stateText(row);
}

/** Numbers of the rows in the order of a column; rows that it does not tell apart stay as they are. */
export function orderOf(rows: FitRow[], column: number | null): number[] {
  const order = rows.map((_, i) => i);
  if (column === null) return order;
  const keys = rows.map((row) => keyOf(row, column));
  return order.sort((a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : a - b));
}

interface Line {
  row: HTMLTableRowElement;
  button: HTMLButtonElement;
  cells: HTMLTableCellElement[];
  /** The traceback, where it is unfolded. */
  more: HTMLTableRowElement | null;
}

export function mountFits(given: BenchModel, el: HTMLElement): () => void {
  const cleanup = new Cleanup();
  const message = element("p.db-message.db-error", { role: "status", "aria-live": "polite", hidden: true });
  const say = (text: string) => {
    message.hidden = text === "";
    setText(message, text);
  };
  const model = delivering(given, () => say(LOST));
  const state = element("p.db-fits-state", { role: "status" });
  const progress = element("progress.db-fits-progress", { "aria-label": "fits done", value: 0, max: 1 });
  const body = element("tbody");
  const sorters = COLUMNS.map((name) => element("button.db-fits-sort", { title: `Sort by ${name}` }, name));
  const heads = sorters.map((sorter) => element("th", { scope: "col" }, sorter));
  const table = element("table.db-fits", {}, element("thead", {}, element("tr", {}, ...heads)), body);
  const box = element("div.db-fits-box", { tabindex: 0, role: "region", "aria-label": "fits" }, table);
  const root = element("div.deepstrf-bench.db-view-fits", {}, state, progress, box, message);
  keepKeys(root, cleanup);
  el.append(root);
  cleanup.add(() => root.remove());

  const lines: Line[] = [];
  let sorted: number | null = null;
  const rows = () => model.get("rows") as FitRow[];

  const unfold = (i: number) => {
    const line = lines[i];
    if (line.more) {
      line.more.remove();
      line.more = null;
    } else {
      const text = element("pre.db-fits-error", { tabindex: 0 }, rows()[i].error);
      line.more = element("tr", {}, element("td", { colspan: COLUMNS.length }, text));
      line.row.after(line.more);
    }
    setAttribute(line.button, "aria-expanded", String(line.more !== null));
  };
  const choose = (i: number) => {
    const row = rows()[i];
    if (row?.state === "failed") unfold(i);
    else if (row?.state === "done") model.send({ type: "open", job: i });
  };
  const newLine = (i: number): Line => {
    const button = element("button.db-fits-job");
    const cells = COLUMNS.slice(1).map(() => element("td"));
    const row = element("tr", {}, element("th", { scope: "row" }, button), ...cells);
    row.dataset.job = String(i);
    return { row, button, cells, more: null };
  };
  cleanup.listen<MouseEvent>(body, "click", ({ target }) => {
    const row = target instanceof Element ? target.closest<HTMLElement>("tr[data-job]") : null;
    if (row) choose(Number(row.dataset.job));
  });

  const paint = () => {
    const all = rows();
    const info = model.get("info") as FitsInfo;
    setText(state, summary(info, all));
    setAttribute(progress, "max", Math.max(info.total, 1));
    setAttribute(progress, "value", info.done);
    for (const line of lines.splice(all.length)) {
      line.row.remove();
      line.more?.remove();
    }
    all.forEach((row, i) => {
      lines[i] ??= newLine(i);
      const line = lines[i];
      const { button, cells } = line;
      if (line.more && row.state !== "failed") unfold(i);
      line.row.dataset.state = row.state;
      line.row.classList.toggle("db-best", i === info.best);
      setAttribute(line.row, "aria-current", i === info.opened && "true");
      setText(button, row.job);
      button.disabled = row.state === "waiting";
      setAttribute(
        button,
        "title",
        { waiting: "", done: "Open on the bench", failed: "Show the traceback" }[row.state],
      );
      setAttribute(button, "aria-expanded", row.state === "failed" && String(line.more !== null));
      const texts = [
        ...row.scores.map((score) => (score === null ? "" : fixed(score, 3))),
        row.seconds === null ? "" : fixed(row.seconds, 1),
        stateText(row),
      ];
      texts.forEach((text, c) => {
        setText(cells[c], text);
      });
    });
    const order = orderOf(all, sorted);
    const wanted = order.flatMap((i) => [lines[i].row, ...(lines[i].more ? [lines[i].more] : [])]);
    // Rows that are in their place stay: moving one takes the focus from it.
    wanted.forEach((row, at) => {
      if (body.children[at] !== row) body.insertBefore(row as Node, body.children[at] ?? null);
    });
    heads.forEach((head, c) => {
      const way = c > 0 && c <= FIT_SCORES.length ? "descending" : "ascending";
      setAttribute(head, "aria-sort", c === sorted && way);
    });
  };
  sorters.forEach((sorter, c) => {
    cleanup.listen(sorter, "click", () => {
      sorted = sorted === c ? null : c;
      paint();
    });
  });
  const showError = () => say(model.get("error") as string);
  for (const [trait, callback] of [
    ["rows", paint],
    ["info", paint],
    ["error", showError],
  ] as const) {
    model.on(`change:${trait}`, callback);
    cleanup.add(() => model.off(`change:${trait}`, callback));
  }
  paint();
  showError();
  return () => cleanup.run();
}
