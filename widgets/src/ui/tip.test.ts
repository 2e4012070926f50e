// @vitest-environment happy-dom
import { expect, test, vi } from "vitest";
import { Tip } from "./tip";

const BOX = { x: 0, y: 0, width: 100, height: 100 };

test("follows the hand at once, and its text when it is brought up to date", () => {
  const tip = new Tip();
  tip.show(() => "3.0 kHz", { x: 10, y: 10 }, BOX);
  const place = tip.element.style.transform;

  tip.show(() => "3.1 kHz", { x: 12, y: 10 }, BOX);

  expect(tip.element.style.transform).not.toBe(place);
  expect(tip.element.textContent).toBe("3.0 kHz");
  tip.renew();
  expect(tip.element.textContent).toBe("3.1 kHz");
});

test("says at once what is new when it is shown again", () => {
  const tip = new Tip();
  tip.show(() => "3.0 kHz", { x: 10, y: 10 }, BOX);
  tip.hide();

  tip.show(() => "-12 dB", { x: 10, y: 10 }, BOX);

  expect(tip.element.hidden).toBe(false);
  expect(tip.element.textContent).toBe("-12 dB");
});

test("works out no text while it is hidden", () => {
  const tip = new Tip();
  const text = vi.fn(() => "3.0 kHz");
  tip.show(text, { x: 10, y: 10 }, BOX);
  tip.hide();

  tip.renew();

  expect(text).toHaveBeenCalledTimes(1);
});
