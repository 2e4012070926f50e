import bench from "../src/entry/bench";
import type { Info } from "../src/kernel/contract";
import { fakeGallery } from "./fake-gallery";
import { fakeModel } from "./fake-kernel";

const query = new URLSearchParams(location.search);
const whole = (name: string, fallback: number) => Number(query.get(name) ?? fallback);
if (query.get("dark") === "1") document.body.dataset.jpThemeLight = "false";
const make = () =>
  fakeModel({
    view: query.get("view") ?? "explorer",
    kind: (query.get("kind") ?? "gaussians") as Info["kind"],
    neurons: whole("neurons", 119),
    frames: whole("frames", 2000),
    channels: whole("channels", 2),
    delay: whole("delay", 30),
    responses: query.get("responses") !== "0",
  });
const model = query.get("view") === "gallery" ? fakeGallery(whole("neurons", 119)) : make();
const el = document.querySelector<HTMLElement>("#here")!;
const stop = bench.render({ model, el });
Object.assign(window, { model, stop });
