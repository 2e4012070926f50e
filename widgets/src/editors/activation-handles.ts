/**
 * The handles of an output curve: bars for its levels, a circle for its threshold or knee, a square on its tangent.
 *
 * Every handle is a focusable slider that moves one word of the curve (math/curve-handles.ts).
 */

import { type Cleanup, closest, consume, element, setAttribute, setStyle, setText } from "../dom";
import {
  concernedBy,
  type Editable,
  isEditable,
  moveWord,
  type Parameters,
  toWords,
  type Word,
  wordsOf,
} from "../math/curve-handles";
import type { BenchState } from "../state";
import { Places, type Point } from "./activation-places";
import type { Plot } from "./activation-plot";
import {
  endsOfSlider,
  limitsIn,
  longName,
  nameOf,
  parametersOf,
  spokenValue,
  stepped,
} from "./activation-words";

/** Pixels a pointer may tremble before it drags. */
const THRESHOLD_PX = 2;
/** Steps of one handle this close together are one gesture. */
const JOIN_MS = 600;
/** Steps with Shift. */
const BIG = 5;
/** Below this relative difference a value in single precision is the trained one. */
const SAME = 1e-5;

interface Held {
  word: Word;
  gesture: string | null;
  start: Parameters;
  value: number;
}
interface Drag {
  pointer: number;
  word: Word;
  target: HTMLElement;
  /** Where the pointer went down, and where the handle was then. */
  from: Point;
  anchor: Point;
}

export class CurveHandles {
  readonly element = element("div.db-handles");
  readonly #grips = new Map<Word, HTMLElement>();
  #plot: Plot | null = null;
  #drag: Drag | null = null;
  #held: Held | null = null;
  #stopJoining: (() => void) | null = null;
  readonly #places = new Places();

  readonly #state: BenchState;
  readonly #helpId: string;

  constructor(state: BenchState, cleanup: Cleanup, helpId: string) {
    this.#state = state;
    this.#helpId = helpId;
    const { element: root } = this;
    cleanup.listen<PointerEvent>(root, "pointerdown", (e) => this.#onDown(e));
    cleanup.listen<PointerEvent>(root, "pointermove", (e) => this.#onMove(e));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      cleanup.listen<PointerEvent>(root, type, (e) => this.#onUp(e));
    }
    cleanup.listen<MouseEvent>(root, "dblclick", (e) => this.#onDoubleClick(e));
    cleanup.listen<KeyboardEvent>(root, "keydown", (e) => this.#onKey(e));
  }

  /** The curve on screen, when it is one that can be edited. */
  get kind(): Editable | null {
    const { kind, names } = this.#state.info.activation;
    return isEditable(kind) && names.length > 0 ? kind : null;
  }

  get parameters(): Parameters {
    return parametersOf(this.#state, this.#state.activation);
  }

  get dragging(): boolean {
    return this.#drag !== null && this.#held !== null;
  }

  /** The word that a hand or a key is moving right now. */
  get moving(): Word | null {
    return this.#mine ? (this.#held?.word ?? null) : null;
  }

  /** Whether a word can be moved now. */
  #movable(word: Word): boolean {
    const kind = this.kind;
    const state = this.#state;
    if (!kind || !state.current || state.peek || !this.#exists(kind, word)) return false;
    const names = concernedBy(kind, word).map(longName);
    return state.unlocked(names).length === names.length;
  }

  /** Whether the module has all that a word concerns: one without a bias has no baseline to move. */
  #exists(kind: Editable, word: Word): boolean {
    return concernedBy(kind, word).every((name) => this.#state.info.activation.names.includes(name));
  }

  /** Place every handle. */
  paint(plot: Plot): void {
    this.#plot = plot;
    const { kind } = this;
    const words = kind ? wordsOf(kind).filter((word) => this.#exists(kind, word)) : [];
    for (const word of words) if (!this.#grips.has(word)) this.#add(word);
    const now = kind ? toWords(kind, this.parameters) : {};
    if (kind && !this.#state.inGesture) this.#places.choose(kind, now, plot);
    for (const [word, handle] of this.#grips) {
      const at = kind && words.includes(word) ? this.#places.of(kind, word, now, plot) : null;
      handle.hidden = at === null;
      if (!at) continue;
      setStyle(handle, "transform", `translate(${at.x.toFixed(1)}px, ${at.y.toFixed(1)}px)`);
      handle.classList.toggle("db-outside", at.outside);
      setAttribute(handle, "data-label", this.#places.labelOf(word, at, plot));
      setAttribute(handle, "aria-disabled", !this.#movable(word) && "true");
    }
  }

  /** Where the handle of a word is, in pixels of the stage; null where there is none. */
  at(word: Word): Point | null {
    const kind = this.kind;
    const plot = this.#plot;
    return kind && plot ? this.#places.of(kind, word, toWords(kind, this.parameters), plot) : null;
  }

  /** Set what every handle says to who cannot see it. */
  speak(): void {
    const kind = this.kind;
    const plot = this.#plot;
    if (!kind || !plot) return;
    const { parameters } = this;
    const { rate_unit } = this.#state.info;
    const words = toWords(kind, parameters);
    for (const word of wordsOf(kind)) {
      const handle = this.#grips.get(word);
      if (!handle) continue;
      const value = words[word] ?? 0;
      const [low, high] = endsOfSlider(word, plot);
      setAttribute(handle, "aria-valuemin", Number(Math.min(low, value).toPrecision(4)));
      setAttribute(handle, "aria-valuemax", Number(Math.max(high, value).toPrecision(4)));
      setAttribute(handle, "aria-valuenow", Number(value.toPrecision(4)));
      setAttribute(handle, "aria-valuetext", spokenValue(kind, word, parameters, rate_unit));
      setAttribute(handle, "aria-label", `Output curve: ${nameOf(word, words)}`);
      setText(handle.lastChild as Node, nameOf(word, words));
    }
  }

  /** "threshold 0.42 a.u.", in one line or two. */
  summary(word: Word): string {
    const { kind, parameters } = this;
    if (!kind) return "";
    const value = spokenValue(kind, word, parameters, this.#state.info.rate_unit);
    return `${nameOf(word, toWords(kind, parameters))} ${value.replace(", ", "\n")}`;
  }

  /** Leave a running drag; `cancel` puts the curve back to where it was. */
  release(cancel: boolean): boolean {
    const drag = this.#drag;
    this.#drag = null;
    if (drag) {
      drag.target.classList.remove("db-dragging");
      try {
        drag.target.releasePointerCapture(drag.pointer);
      } catch {
        // The pointer is gone already.
      }
    }
    return this.#end(cancel);
  }

  // ---- places -----------------------------------------------------------------------------------------------

  #add(word: Word): void {
    const handle = element(
      "div",
      {
        class: `db-handle db-${word === "baseline" || word === "ceiling" ? "level" : word === "slope" ? "width" : "centre"}`,
        role: "slider",
        tabindex: 0,
        "data-handle": word,
        "aria-describedby": this.#helpId,
        "aria-orientation": word === "threshold" ? "horizontal" : "vertical",
      },
      element("span.db-knob", { "aria-hidden": "true" }),
      element("span.db-word", { "aria-hidden": "true" }),
    );
    this.#grips.set(word, handle);
    this.element.append(handle);
  }

  // ---- gestures ---------------------------------------------------------------------------------------------

  /** Whether the open gesture is the one begun here. */
  get #mine(): boolean {
    return this.#held !== null && this.#state.inGesture && this.#held.gesture === this.#state.gestureId;
  }

  #begin(word: Word): Held {
    const { kind, parameters } = this;
    const state = this.#state;
    state.beginGesture();
    this.#held = {
      word,
      gesture: state.gestureId,
      start: parameters,
      value: kind ? (toWords(kind, parameters)[word] ?? 0) : 0,
    };
    return this.#held;
  }

  #end(cancel: boolean): boolean {
    const mine = this.#mine;
    this.#stopJoining?.();
    this.#stopJoining = null;
    this.#held = null;
    if (mine) this.#state.endGesture(cancel);
    return mine;
  }

  /** Give the word in hand a new value, reckoned from where the gesture began. */
  #move(held: Held, to: number): void {
    const kind = this.kind;
    const state = this.#state;
    if (!kind || !Number.isFinite(to)) return;
    const limitsOf = (name: string) => limitsIn(state, name);
    const next = moveWord(kind, held.start, held.word, to, limitsOf);
    held.value = toWords(kind, { ...held.start, ...next })[held.word] ?? 0;
    state.set(
      Object.entries(next).map(([name, value]) => ({ name: longName(name), index: [state.neuron], value })),
    );
  }

  /** Back to its trained value, the others as they are. */
  #revert(word: Word): void {
    const { kind, parameters } = this;
    const state = this.#state;
    if (!kind || !this.#movable(word)) return;
    this.release(false);
    const trained = parametersOf(state, state.trainedActivation);
    const to = toWords(kind, trained)[word] ?? 0;
    const next = moveWord(kind, parameters, word, to, (name) => limitsIn(state, name));
    const near = (name: string, other: Parameters) =>
      Math.abs(next[name] - other[name]) <= SAME * Math.max(Math.abs(other[name]), SAME);
    const changed = Object.keys(next).filter((name) => !near(name, parameters));
    if (changed.length === 0) return;
    // Where that is the trained parameters themselves, they come back to the last bit.
    if (changed.every((name) => near(name, trained))) {
      state.revertNames(changed.map(longName), [state.neuron]);
      return;
    }
    this.#move(this.#begin(word), to);
    this.#end(false);
  }

  // ---- pointer ----------------------------------------------------------------------------------------------

  #gripOf(target: EventTarget | null): { word: Word; handle: HTMLElement } | null {
    const handle = closest(target, "[data-handle]");
    return handle && this.element.contains(handle) ? { word: handle.dataset.handle as Word, handle } : null;
  }

  #onDown(event: PointerEvent): void {
    const on = this.#gripOf(event.target);
    const anchor = on ? this.at(on.word) : null;
    if (!on || !anchor || event.button !== 0 || this.#drag) return;
    event.preventDefault();
    this.#end(false);
    this.element.dataset.pointer = "true";
    on.handle.focus({ preventScroll: true });
    if (!this.#movable(on.word)) return;
    const from = { x: event.clientX, y: event.clientY };
    this.#drag = { pointer: event.pointerId, word: on.word, target: on.handle, from, anchor };
    try {
      on.handle.setPointerCapture(event.pointerId);
    } catch {
      // Without capture the drag still works while the pointer stays over the handle.
    }
  }

  #onMove(event: PointerEvent): void {
    const kind = this.kind;
    const drag = this.#drag;
    const plot = this.#plot;
    if (!drag || !plot || !kind || event.pointerId !== drag.pointer) return;
    const dx = event.clientX - drag.from.x;
    const dy = event.clientY - drag.from.y;
    if (!this.#held) {
      if (Math.hypot(dx, dy) < THRESHOLD_PX) return;
      drag.target.classList.add("db-dragging");
      this.#begin(drag.word);
    } else if (!this.#mine) {
      this.release(false);
      return;
    }
    const held = this.#held as Held;
    const at = { x: drag.anchor.x + dx, y: drag.anchor.y + dy };
    if (drag.word === "threshold") this.#move(held, plot.driveAt(at.x));
    else if (drag.word === "slope" && kind !== "softplus") {
      this.#move(held, this.#places.slopeTo(kind, toWords(kind, held.start), plot, at));
    } else this.#move(held, plot.rateAt(at.y));
  }

  #onUp(event: PointerEvent): void {
    if (this.#drag && event.pointerId === this.#drag.pointer) this.release(false);
  }

  #onDoubleClick(event: MouseEvent): void {
    const on = this.#gripOf(event.target);
    if (!on) return;
    event.preventDefault();
    this.#revert(on.word);
  }

  // ---- keys -------------------------------------------------------------------------------------------------

  #onKey(event: KeyboardEvent): void {
    const on = this.#gripOf(event.target);
    if (!on) return;
    const { key } = event;
    if (key === "Tab" || key.startsWith("Arrow")) delete this.element.dataset.pointer;
    if (key === "Escape") {
      if (this.release(true)) consume(event);
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey || this.#drag || !this.#movable(on.word)) return;
    if (key === "Delete" || key === "Backspace") this.#revert(on.word);
    else if (key === "ArrowUp" || key === "ArrowRight") this.#nudge(on.word, event.shiftKey ? BIG : 1);
    else if (key === "ArrowDown" || key === "ArrowLeft") this.#nudge(on.word, event.shiftKey ? -BIG : -1);
    else return;
    consume(event);
  }

  /** Some small steps; those of one handle within 600 ms are one gesture. */
  #nudge(word: Word, steps: number): void {
    const kind = this.kind;
    const plot = this.#plot;
    if (!plot || !kind) return;
    if (!this.#mine || this.#held?.word !== word) {
      this.#end(false);
      this.#begin(word);
    }
    this.#stopJoining?.();
    this.#stopJoining = this.#state.clock.later(() => this.#end(false), JOIN_MS);
    const held = this.#held as Held;
    this.#move(held, stepped(word, { ...toWords(kind, held.start), [word]: held.value }, steps, plot));
  }
}
