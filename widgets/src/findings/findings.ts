/** What is suspicious in a model: a list whose every row brings its neuron and editor to the bench. */

import { Cleanup, closest, element, setText } from "../base/dom";
import type { BenchModel } from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import { bringEditors } from "../ui/bring-editors";
import { button } from "../ui/button";
import { keepKeys } from "../ui/host-keys";

interface Row {
  severity: "error" | "warning" | "note";
  kind: string;
  whom: string;
  stage: string;
  sentence: string;
  can_show: boolean;
}

export function mountFindings(given: BenchModel, el: HTMLElement): () => void {
  const cleanup = new Cleanup();
  const message = element("p.db-message.db-error", { role: "status", "aria-live": "polite" });
  const model = delivering(given, () => setText(message, LOST));
  const title = element("p.db-findings-title", { role: "status" });
  const again = button("Diagnose the model as it is edited now", "Look again");
  const list = element("ol.db-findings");
  const more = element("p.db-muted");
  const head = element("div.db-findings-head", {}, title, again);
  const root = element("div.deepstrf-bench.db-view-findings", { tabindex: -1 }, head, list, more, message);
  keepKeys(root, cleanup);
  el.append(root);
  cleanup.add(() => root.remove());
  cleanup.listen(again, "click", () => model.send({ type: "again" }));
  cleanup.listen(list, "click", (event) => {
    const finding = closest(event.target, "[data-finding]")?.dataset.finding;
    if (finding === undefined) return;
    model.send({ type: "show", finding: Number(finding) });
    // Where the bench is further up, its editor comes into view.
    bringEditors(root);
  });
  const paint = () => {
    setText(title, String(model.get("title") ?? ""));
    setText(message, String(model.get("error") ?? ""));
    const hidden = Number(model.get("more") ?? 0);
    setText(more, hidden > 0 ? `${hidden} more: they are in the attribute found.` : "");
    list.replaceChildren(...((model.get("rows") as Row[] | undefined) ?? []).map(rowOf));
  };
  for (const trait of ["title", "rows", "more", "error"]) {
    model.on(`change:${trait}`, paint);
    cleanup.add(() => model.off(`change:${trait}`, paint));
  }
  paint();
  return () => cleanup.run();
}

function rowOf({ severity, kind, whom, stage, sentence, can_show }: Row, i: number): HTMLElement {
  const first = element(
    "div",
    {},
    element("span.db-severity", { "aria-hidden": "true", "data-severity": severity }, "●"),
    ` ${severity} · `,
    element("b", {}, kind),
    ` · ${whom}`,
    element("span.db-muted", {}, stage && ` · ${stage}`),
  );
  const row = element(
    "li.db-finding",
    {},
    element("div.db-finding-text", {}, first, element("div", {}, sentence)),
  );
  if (can_show) {
    const show = button(`Show ${whom} on the bench`, "Show");
    show.dataset.finding = String(i);
    row.append(show);
  }
  return row;
}
