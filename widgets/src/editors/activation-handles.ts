/**
 * The handles of an output curve: bars for its levels, a circle for its threshold or knee, a square on its tangent.
 *
 * Every handle is a focusable slider that moves one word of the curve (math/curve-handles.ts).
 */

import { type Cleanup, closest, consume, element, type Point, setAttribute, setText } from "../dom";
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
import { Places } from "./activation-places";
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
import { Drag, type Grasp } from "./drag";
import { OwnGesture } from "./gesture";
import { moveTo, sliderHandle, speak } from "./slider";

/** Steps with Shift. */
const BIG = 5;
/** Below this relative difference a value in single precision is the trained one. */
const SAME = 1e-5;

/** What a gesture began with, and the value that it has come to. */
interface Held {
  word: Word;
  start: Parameters;
  value: number;
}

export class CurveHandles {
  readonly element = element("div.db-handles");
  readonly #grips = new Map<Word, HTMLElement>();
  #plot: Plot | null = null;
  #held: Held | null = null;
  readonly #gesture: OwnGesture;
  readonly #drag: Drag;
  readonly #places = new Places();

  readonly #state: BenchState;
  readonly #helpId: string;

  constructor(state: BenchState, cleanup: Cleanup, helpId: string) {
    this.#state = state;
    this.#helpId = helpId;
    const { element: root } = this;
    this.#gesture = new OwnGesture(state);
    this.#drag = new Drag(root, this.#gesture, (e) => this.#press(e), cleanup);
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

  /** The word that a hand or a key is moving right now. */
  get moving(): Word | null {
    return this.#gesture.open ? (this.#held?.word ?? null) : null;
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
      moveTo(handle, at.x, at.y);
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
      const name = nameOf(word, words);
      const ends = [Math.min(low, value), Math.max(high, value)] as const;
      speak(handle, `Output curve: ${name}`, ends, value, spokenValue(kind, word, parameters, rate_unit));
      setText(handle.lastChild as Node, name);
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
    return this.#drag.release(cancel);
  }

  // ---- places -----------------------------------------------------------------------------------------------

  #add(word: Word): void {
    const kind = word === "baseline" || word === "ceiling" ? "level" : word === "slope" ? "width" : "centre";
    const handle = sliderHandle(kind, this.#helpId, {
      "data-handle": word,
      "aria-orientation": word === "threshold" ? "horizontal" : "vertical",
    });
    handle.append(element("span.db-word", { "aria-hidden": "true" }));
    this.#grips.set(word, handle);
    this.element.append(handle);
  }

  // ---- gestures ---------------------------------------------------------------------------------------------

  /** Begin a gesture of a word. */
  #begin(word: Word): void {
    this.#gesture.begin();
    this.#hold(word);
  }

  #hold(word: Word): void {
    const { kind, parameters } = this;
    this.#held = { word, start: parameters, value: kind ? (toWords(kind, parameters)[word] ?? 0) : 0 };
  }

  /** Give the word in hand a new value, reckoned from where the gesture began. */
  #move(to: number): void {
    const kind = this.kind;
    const state = this.#state;
    const held = this.#held;
    if (!kind || !held || !Number.isFinite(to)) return;
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
    this.#begin(word);
    this.#move(to);
    this.#gesture.end();
  }

  // ---- pointer ----------------------------------------------------------------------------------------------

  #gripOf(target: EventTarget | null): { word: Word; handle: HTMLElement } | null {
    const handle = closest(target, "[data-handle]");
    return handle && this.element.contains(handle) ? { word: handle.dataset.handle as Word, handle } : null;
  }

  #press(event: PointerEvent): Grasp | null {
    const on = this.#gripOf(event.target);
    const anchor = on ? this.at(on.word) : null;
    if (!on || !anchor) return null;
    const { word, handle } = on;
    event.preventDefault();
    this.#gesture.end();
    this.element.dataset.pointer = "true";
    handle.focus({ preventScroll: true });
    if (!this.#movable(word)) return null;
    return {
      target: handle,
      begin: () => this.#begin(word),
      move: (dx, dy) => this.#pull(word, anchor.x + dx, anchor.y + dy),
    };
  }

  /** Drag the handle of a word to a place. */
  #pull(word: Word, x: number, y: number): void {
    const kind = this.kind;
    const plot = this.#plot;
    const held = this.#held;
    if (!plot || !kind || !held) return;
    if (word === "threshold") this.#move(plot.driveAt(x));
    else if (word === "slope" && kind !== "softplus") {
      this.#move(this.#places.slopeTo(kind, toWords(kind, held.start), plot, { x, y }));
    } else this.#move(plot.rateAt(y));
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
    if (event.ctrlKey || event.altKey || event.metaKey || this.#drag.held || !this.#movable(on.word)) return;
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
    if (this.#gesture.join(word)) this.#hold(word);
    const held = this.#held as Held;
    this.#move(stepped(word, { ...toWords(kind, held.start), [word]: held.value }, steps, plot));
  }
}
