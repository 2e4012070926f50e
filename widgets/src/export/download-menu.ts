/** A button with a small menu: what is on screen as a picture, PNG or SVG. */

import { type Cleanup, closest, element } from "../base/dom";
import { button } from "../ui/button";
import { icon } from "../ui/icons";
import { menu } from "../ui/menu";
import type { Picture } from "./page-to-svg";

const KINDS = ["PNG", "SVG"] as const;
/** More pixels than this some browsers have no canvas for. */
const MOST_PIXELS = 16e6;
/** How long a browser may take to fetch a file that it was given, in ms. */
const KEPT_MS = 40_000;

export interface Source {
  /** Name of the file without its ending, in words. */
  name(): string;
  picture(): Picture;
  /** Say what went wrong, or nothing when all is well again. */
  setError(text: string): void;
}

/** The button and its menu for a picture of `what`. */
export function download(what: string, source: Source, cleanup: Cleanup): HTMLElement {
  const items = KINDS.map((kind) => element("button.db-button", { role: "menuitem", tabindex: -1 }, kind));
  const label = `Save a picture: ${what}`;
  const opened = menu("db-download", button(label, icon("save"), "icon"), label, items, cleanup);
  let failed = false;
  cleanup.listen(opened.list, "click", async (event) => {
    const kind = KINDS[items.indexOf(closest(event.target, "button") as HTMLButtonElement)];
    if (!kind) return;
    opened.close();
    try {
      const picture = source.picture();
      offer(
        kind === "PNG" ? await raster(picture) : vector(picture),
        `${safe(source.name())}.${kind.toLowerCase()}`,
      );
      if (failed) source.setError("");
      failed = false;
    } catch (error) {
      failed = true;
      source.setError(`No ${kind} of this: ${error instanceof Error ? error.message : error}`);
    }
  });
  return opened.element;
}

/** A name that files can have on any system. */
export const safe = (words: string): string =>
  words
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 120);

const vector = ({ svg }: Picture) => new Blob([svg], { type: "image/svg+xml" });

/** A picture with two pixels for each of the screen, or as many as a canvas may have. */
async function raster({ svg, width, height }: Picture): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  await image.decode();
  const scale = Math.min(2 * Math.max(devicePixelRatio, 1), Math.sqrt(MOST_PIXELS / (width * height)));
  const canvas = element("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done));
  if (!blob || !canvas.getContext("2d")) throw new Error("the browser gives no canvas");
  return blob;
}

function offer(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
