// @vitest-environment happy-dom

import { afterEach, expect, it } from "vitest";
import entry from "../entry/fits";
import { StaticModel } from "../offline/static-model";
import { duration, type FitRow, type FitsInfo, orderOf, summary } from "./fits";

const row = (job: string, more: Partial<FitRow> = {}): FitRow => ({
  job,
  state: "waiting",
  scores: [null, null, null],
  seconds: null,
  attempts: 0,
  error: "",
  ...more,
});
const ROWS = [
  row("a", { state: "done", scores: [0.5, 0.6, 0.2], seconds: 2, attempts: 1 }),
  row("<b>", { state: "failed", seconds: 1, attempts: 1, error: "Traceback\nValueError: <img src=x>" }),
  row("c"),
  row("d", { state: "done", scores: [0.7, 0.8, 0.4], seconds: 1.5 }),
  row("e", { attempts: 2 }),
];
const INFO: FitsInfo = {
  total: 5,
  done: 3,
  failed: 1,
  best: 3,
  score: "r",
  left_s: 100,
  running: true,
  opened: null,
};

let stop = () => {};
afterEach(() => stop());

function page(rows = ROWS, info = INFO) {
  const sent: unknown[] = [];
  const el = document.createElement("div");
  document.body.append(el);
  const model = new StaticModel({ view: "fits", rows, info, error: "" }, (content) => sent.push(content));
  const end = entry.render({ model, el });
  stop = () => {
    end();
    el.remove();
  };
  const lines = () => [...el.querySelectorAll<HTMLTableRowElement>("tbody tr[data-job]")];
  const texts = () => lines().map((line) => [...line.children].map((cell) => cell.textContent));
  return { model, el, sent, lines, texts };
}

it("one line says how far the fits are", () => {
  expect(summary(INFO, ROWS)).toBe("3 of 5 done · 1 failed · best d: r = 0.700 · about 2 min left");
  expect(summary({ ...INFO, running: false }, ROWS)).toContain("stopped: run it again to go on");
  expect(summary({ ...INFO, total: 0 }, [])).toBe("No fits yet");
  expect(["0.2", "89", "91", "5399", "9000"].map((s) => duration(Number(s)))).toEqual([
    "1 s",
    "89 s",
    "2 min",
    "90 min",
    "2.5 h",
  ]);
});

it("rows show scores, seconds and states, and names as text", () => {
  const { texts, lines, el } = page();
  expect(texts()).toEqual([
    ["a", "0.500", "0.600", "0.200", "2.0", "done"],
    ["<b>", "", "", "", "1.0", "failed"],
    ["c", "", "", "", "", "waiting"],
    ["d", "0.700", "0.800", "0.400", "1.5", "done before"],
    ["e", "", "", "", "", "waiting again (2 workers died)"],
  ]);
  expect(lines().map((line) => line.classList.contains("db-best"))).toEqual([
    false,
    false,
    false,
    true,
    false,
  ]);
  expect([el.querySelector("progress")!.getAttribute("value"), el.querySelectorAll("b, img").length]).toEqual(
    ["3", 0],
  );
});

it("a click opens what is done, unfolds what has failed, and does nothing for what waits", () => {
  const { sent, lines, el } = page();
  lines()[3].querySelector("td")!.click();
  lines()[0].querySelector("button")!.click();
  expect(sent).toEqual([
    { type: "open", job: 3 },
    { type: "open", job: 0 },
  ]);
  expect(lines()[2].querySelector("button")!.disabled).toBe(true);
  lines()[2].querySelector("td")!.click();
  lines()[1].querySelector("button")!.click();
  expect(sent.length).toBe(2);
  expect(el.querySelector("pre")!.textContent).toBe("Traceback\nValueError: <img src=x>");
  expect(lines()[1].nextElementSibling!.contains(el.querySelector("pre"))).toBe(true);
  expect(lines()[1].querySelector("button")!.getAttribute("aria-expanded")).toBe("true");
  lines()[1].querySelector("button")!.click();
  expect(el.querySelector("pre")).toBeNull();
});

it("what comes later changes the rows in place, and another call begins anew", () => {
  const { model, lines, texts, el } = page();
  const [, , before] = lines();
  lines()[1].querySelector("button")!.click();
  model.set(
    "rows",
    ROWS.map((one, i) => (i === 2 ? { ...one, state: "done", scores: [0.1, null, null] } : one)),
  );
  model.set("info", { ...INFO, done: 4, opened: 2 });
  expect(lines()[2]).toBe(before);
  expect(texts()[2]).toEqual(["c", "0.100", "", "", "", "done before"]);
  expect(before.getAttribute("aria-current")).toBe("true");
  model.set("rows", [row("z")]);
  model.set("info", { ...INFO, total: 1, done: 0, failed: 0, best: null });
  expect(texts()).toEqual([["z", "", "", "", "", "waiting"]]);
  expect(el.querySelector("pre")).toBeNull();
  model.set("error", "job 'z' is not done yet");
  expect(el.querySelector(".db-error")!.textContent).toBe("job 'z' is not done yet");
});

it("columns sort, missing values last, and a second click gives the order of the jobs", () => {
  expect(orderOf(ROWS, 1)).toEqual([3, 0, 1, 2, 4]);
  expect(orderOf(ROWS, 0)).toEqual([1, 0, 2, 3, 4]);
  expect(orderOf(ROWS, 4)).toEqual([1, 3, 0, 2, 4]);
  expect(orderOf(ROWS, null)).toEqual([0, 1, 2, 3, 4]);
  const { el, lines, sent } = page();
  const sorter = el.querySelectorAll<HTMLButtonElement>("thead button")[1];
  sorter.click();
  expect(lines().map((line) => line.dataset.job)).toEqual(["3", "0", "1", "2", "4"]);
  expect(sorter.parentElement!.getAttribute("aria-sort")).toBe("descending");
  lines()[0].querySelector("button")!.click();
  expect(sent).toEqual([{ type: "open", job: 3 }]);
  sorter.click();
  expect(lines().map((line) => line.dataset.job)).toEqual(["0", "1", "2", "3", "4"]);
});

it("nothing is left of a table that is gone", () => {
  const { model, el } = page();
  stop();
  expect([el.children.length, model.listeners()]).toEqual([0, 0]);
});
