/** The state of a page without a kernel behind the `#` of its address: read at opening and when it changes, and kept up to date. */

import type { Cleanup } from "../base/dom";
import type { SavedPageModel } from "./saved-page";
import { MOST_CHARACTERS, PREFIX } from "./state-text";

/** The benches of a page have modules of their own: under this name they count themselves. */
const NUMBERS = Symbol.for("deepstrf.addresses");

/** The smallest number, from 1, that no other bench of the page has; the second function gives it back. */
function ownNumber(page: { [NUMBERS]?: Set<number> }): [number, () => void] {
  page[NUMBERS] ??= new Set();
  const taken = page[NUMBERS];
  let number = 1;
  while (taken.has(number)) number += 1;
  taken.add(number);
  return [number, () => taken.delete(number)];
}

/** What of the browser's window is used. */
export interface Place {
  location: Pick<Location, "hash" | "href">;
  history: Pick<History, "replaceState" | "state">;
  addEventListener(type: "hashchange", listener: () => void): void;
  removeEventListener(type: "hashchange", listener: () => void): void;
}

/**
 * Keep a page and its address in step; a function that gives the address of what is on screen.
 *
 * Edits replace the address and add nothing to the browser's history: back leaves the page, or goes to the state of an
 * address that was followed before. `whole`: the page is a saved bench and nothing else, so that any other address is
 * told to be none of its own; elsewhere it may be a place in the text.
 */
export function followAddress(
  model: SavedPageModel,
  whole: boolean,
  place: Place,
  cleanup: Cleanup,
): () => Promise<string> {
  const [number, release] = ownNumber(place as Place & { [NUMBERS]?: Set<number> });
  // The first bench of a page has the address as it is; the others write their number before their state.
  const name = number === 1 ? "" : `bench-${number}=`;
  const link = async (): Promise<string> => {
    const text = await model.state();
    if (text.length > MOST_CHARACTERS)
      throw new Error(
        `These edits have ${text.length} characters, and an address ${MOST_CHARACTERS} at most`,
      );
    return `${place.location.href.split("#")[0]}#${name}${text}`;
  };
  const here = () => decoded(place.location.hash.slice(1));
  const ours = () => here().startsWith(name + PREFIX);
  let written = "";
  /** Counts states: what was computed of an older one is left. */
  let newest = 0;
  let opening: string | null = null;

  const write = async () => {
    const mine = ++newest;
    const text = await model.state();
    if (mine !== newest || cleanup.done) return;
    // As it was saved it needs none.
    opening ??= text;
    const wanted = text === opening || text.length > MOST_CHARACTERS ? "" : name + text;
    if (wanted === here() || !(whole || ours() || here() === "")) return;
    written = wanted;
    const address = wanted ? `#${wanted}` : place.location.href.split("#")[0];
    try {
      place.history.replaceState(place.history.state, "", address);
    } catch {
      // A frame without an address of its own: the button still copies one.
    }
  };
  const read = async () => {
    const text = here();
    const emptied = text === "" && written !== "";
    if (text === written || !(whole || ours() || emptied)) return;
    const mine = ++newest;
    try {
      const state = text || opening;
      if (state) await model.restore(state.startsWith(name) ? state.slice(name.length) : state);
      written = text;
    } catch (error) {
      if (mine === newest && !cleanup.done)
        model.set("error", `${error instanceof Error ? error.message : error}: nothing has been changed.`);
    }
  };
  const published = () => void write();
  void model.state().then(async (text) => {
    opening ??= text;
    if (cleanup.done) return;
    await read();
    model.on("change:revision", published);
    cleanup.add(() => model.off("change:revision", published));
  });
  const changed = () => void read();
  place.addEventListener("hashchange", changed);
  cleanup.add(() => {
    place.removeEventListener("hashchange", changed);
    release();
  });
  return link;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
