/** The line that says which exercise of a lesson the bench answers, with a tick once what it asks for is reached. */

import { type Cleanup, element, setHidden, setText } from "../base/dom";
import type { BenchExercise, BenchModel } from "../kernel/contract";

/** Hidden where the bench answers no exercise. */
export function exerciseLine(model: BenchModel, cleanup: Cleanup): HTMLElement {
  const line = element("p.db-exercise", { role: "status", "aria-live": "polite", hidden: true });
  const paint = () => {
    const { name = "", done = false } = (model.get("exercise") ?? {}) as Partial<BenchExercise>;
    setHidden(line, name === "");
    line.classList.toggle("db-done", done);
    setText(
      line,
      done ? `✓ Exercise “${name}”: done. Its check hands it in` : `○ Exercise “${name}”: not yet`,
    );
  };
  model.on("change:exercise", paint);
  cleanup.add(() => model.off("change:exercise", paint));
  paint();
  return line;
}
