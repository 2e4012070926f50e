// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { diverging } from "../../draw/colormap";
import { fade } from "../../draw/heatmap";
import { bytes } from "../../testing/bench.fixture";
import { handle, key, mount, onEveryPage, settle } from "../../testing/mount.fixture";

onEveryPage();

const certainty = {
  readouts: [["best frequency 4.1 kHz [3.8, 4.4]"], ["latency 9 ms [8, 10]"]],
  pale: "faded: may be zero",
  edited: "edited: intervals as trained",
};
const line = (root: HTMLElement) => root.querySelector(".db-certainty") as HTMLElement;

describe("how sure a fit is of a field", () => {
  it("stands below it, and of an edited field whose intervals they are", async () => {
    expect(line(mount().root).hidden).toBe(true);
    const { root, fixture } = mount({ certainty, unsure: bytes([]) });
    await settle();
    expect(line(root).textContent).toBe("best frequency 4.1 kHz [3.8, 4.4] · faded: may be zero");
    fixture.model.set("channel", 1);
    await settle();
    await settle();
    expect(line(root).textContent).toBe("latency 9 ms [8, 10] · faded: may be zero");
    fixture.model.set("channel", 0);
    await settle();
    key(handle(root, 0), "ArrowUp");
    await settle();
    await settle();
    expect(line(root).textContent).toBe("best frequency 4.1 kHz [3.8, 4.4] · edited: intervals as trained");
  });

  it.each([
    ["edited: intervals as trained", " · edited: intervals as trained"],
    ["", ""],
  ])("is told of tuning alone too, where it says what an edit changes (%j)", async (edited, told) => {
    const { root } = mount({ certainty: { readouts: [["latency 9 ms"], []], pale: "", edited } });
    await settle();
    expect(line(root).textContent).toBe("latency 9 ms");
    key(handle(root, 0), "ArrowUp");
    await settle();
    await settle();
    expect(line(root).textContent).toBe(`latency 9 ms${told}`);
  });

  it("is seen by the colours of its weights", () => {
    const put: ImageData[] = [];
    const image = { width: 2, height: 2, data: new Uint8ClampedArray(16).fill(255) } as unknown as ImageData;
    const canvas = { getContext: () => ({ putImageData: (one: ImageData) => put.push(one) }) };
    // Row 0 is at the bottom of the picture: its second cell is the last of the image.
    fade(canvas as never, image, [9, 9, 0, 1, 0, 0], 2, diverging(true));
    expect(put).toEqual([image]);
    expect([...image.data.slice(0, 12)]).toEqual(new Array(12).fill(255));
    const [r, , , alpha] = image.data.slice(12);
    const zero = new Uint8Array(diverging(true).buffer, 4 * 128, 1)[0];
    expect([r, alpha]).toEqual([Math.round(zero + 0.3 * (255 - zero)), 255]);
  });
});
