/** One mounted view: header, panels, message line, and the keys that work anywhere in it. */

import { Cleanup, consume, element, setHidden, setText } from "../base/dom";
import { Frames, record, watchPixelRatio } from "../draw/surface";
import { readTheme, type Theme, watchTheme } from "../draw/theme";
import { ActivationEditor } from "../editors/activation/editor";
import { PrefilterEditor } from "../editors/prefilter/editor";
import { StrfEditor } from "../editors/strf/editor";
import { download } from "../export/download-menu";
import { pictureOf } from "../export/page-to-svg";
import { watchConnection } from "../kernel/connection";
import type { BenchModel, Info, View } from "../kernel/contract";
import { ResponseView } from "../response/response-view";
import { BenchState, type Clock } from "../state/bench-state";
import { keepKeys } from "../ui/host-keys";
import { Shortcuts } from "../ui/shortcuts";
import { Tabs } from "../ui/tabs";
import { channelChooser } from "./channel-chooser";
import { Chooser } from "./chooser";
import { exerciseLine } from "./exercise-line";
import { KEYS } from "./keys";
import { offerLeftEdits } from "./left-edits";
import { linkButton } from "./link-button";
import { MessageLine } from "./message-line";
import { Panels } from "./panels";
import { followRoom, fullScreenButton } from "./room";
import { Toolbar } from "./toolbar";

/** An editor of one stage of the model. */
interface Stage {
  readonly element: HTMLElement;
  requestPaint(): void;
  /** Leave a running gesture; `cancel` takes it back. Whether there was one. */
  release(cancel: boolean): boolean;
}
type StageName = "prefilter" | "strf" | "activation";
const LABELS: Record<StageName, string> = {
  prefilter: "Adaptation",
  strf: "Receptive field",
  activation: "Output curve",
};

/** The stages that a view shows: its own, or in the explorer those that the model has and that may be edited. */
function stagesOf(view: View, info: Info): StageName[] {
  if (view === "response") return [];
  if (view !== "explorer") return [view];
  const free = (stage: string, names: string[]) =>
    names.length === 0 || names.some((name) => !info.locked.includes(`${stage}.${name}`));
  const rows = info.prefilter.rows.map((name) => name.split(".")[1]);
  const stages: StageName[] = [];
  if (info.prefilter.kind !== "none" && free("prefilter", rows)) stages.push("prefilter");
  stages.push("strf");
  if (info.activation.label && free("activation", info.activation.names)) stages.push("activation");
  return stages;
}

/**
 * Show a view in `el`. `page` is that of a bench that has no kernel, and expects none: it gives the address of what is
 * on screen.
 */
export function mount(
  model: BenchModel,
  el: HTMLElement,
  page?: (cleanup: Cleanup) => () => Promise<string>,
): () => void {
  const saved = page !== undefined;
  const cleanup = new Cleanup();
  const clock = {
    now: () => performance.now(),
    later: (callback: () => void, ms: number) => {
      const handle = setTimeout(callback, ms);
      return () => clearTimeout(handle);
    },
  };
  const state = new BenchState(model, clock);
  const root = element("div", {
    class: `deepstrf-bench db-view-${state.view}`,
    tabindex: -1,
  });
  el.append(root);
  cleanup.add(() => root.remove());

  const frames = new Frames(cleanup);
  let colours: Theme | null = null;
  const theme = () => {
    colours ??= readTheme(root);
    return colours;
  };
  const shortcuts = new Shortcuts(cleanup, KEYS);
  const editing = state.view !== "response";
  const toolbar = new Toolbar(state, editing, () => shortcuts.open(), cleanup);
  const chooser = new Chooser(state, "neuron", cleanup);
  const channels = channelChooser(state, cleanup);
  const name = element("strong.db-model-name");
  const header = element("header.db-header", {}, name, chooser.element);
  if (editing) header.append(channels);
  header.append(element("span.db-spring"), toolbar.score, toolbar.element);
  const panels = element("div.db-panels");
  const restrictions = element("p.db-restrictions.db-muted", { role: "note" });
  const message = new MessageLine(state, cleanup);
  toolbar.score.after(message.badge);
  setHidden(message.badge, saved);
  const left = offerLeftEdits(state, cleanup);
  const exercise = exerciseLine(model, cleanup);
  root.append(header, left, exercise, restrictions, panels, message.element, shortcuts.element);
  // Before what is painted in it: the heights of the pictures follow the room.
  followRoom(root, name, cleanup);

  const response =
    state.view === "response" || state.view === "explorer"
      ? new ResponseView(state, new Chooser(state, "sound", cleanup).element, frames, theme, cleanup)
      : null;
  const make = (name: StageName): Stage => {
    if (name === "prefilter") return new PrefilterEditor(state, frames, theme, cleanup);
    if (name === "activation") return new ActivationEditor(state, frames, theme, cleanup);
    return new StrfEditor(state, frames, theme, cleanup);
  };
  const stages = new Map(stagesOf(state.view, state.info).map((name) => [name, make(name)]));
  const release = () => {
    for (const stage of stages.values()) stage.release(false);
  };
  const first = () => {
    const wanted = [state.stage, "strf", ...stages.keys()] as StageName[];
    return wanted.find((name) => stages.has(name)) ?? "";
  };
  const tabs = new Tabs(
    [...stages].map(([name, stage]) => ({
      name,
      label: LABELS[name],
      panel: stage.element,
      show: () => stage.requestPaint(),
    })),
    first(),
    state.client,
    () => {
      chosen();
      cleanup.add(
        state.onChange((parts) => {
          if (parts.has("stage") && state.stage) tabs.choose(state.stage);
        }),
      );
      state.chooseStage(tabs.current);
    },
    cleanup,
  );
  const chosen = () => {
    release();
    setHidden(channels, tabs.current !== "strf" || state.info.n_channels < 2);
    response?.adapted.show(tabs.current === "prefilter");
  };
  chosen();
  if (stages.size > 0) panels.append(tabs.element);
  if (response) panels.append(response.element);

  const requestPaint = () => {
    for (const stage of stages.values()) stage.requestPaint();
    response?.requestPaint();
  };
  watchTheme(root, cleanup, () => {
    colours = null;
    requestPaint();
  });
  const draw = () => {
    requestPaint();
    frames.run(clock.now());
  };
  offerPictures(root, toolbar.element, state, draw, requestPaint, cleanup);
  state.watch(cleanup, ["info"], () => {
    setText(name, state.info.model);
    setText(restrictions, state.info.restrictions);
    setHidden(restrictions, !state.info.restrictions);
  });
  keepKeys(root, cleanup);
  listenKeys(root, state, release, () => shortcuts.open(), cleanup);
  // Tests in a browser wait until no request is without its answer, the arrays of another neuron included.
  Object.defineProperty(root, "__bench", {
    value: { pending: () => state.queue.pending() + Number(!state.current) },
  });
  cleanup.add(() => {
    release();
    state.close();
  });
  const below = new Panels(model, state, cleanup);
  root.insertBefore(below.element, message.element.nextSibling);
  toolbar.element.append(
    below.menu,
    fullScreenButton(root, (text) => state.setError(text), cleanup),
  );
  if (page) toolbar.element.append(linkButton(page(cleanup), state, cleanup));
  watchPixelRatio(cleanup, requestPaint);
  watchWidth(root, state, clock, cleanup);
  followKernel(model, el, state, cleanup);
  return () => cleanup.run();
}

/** What of a panel is its picture. */
const PICTURE = ".db-head,.db-stage,.db-time-stage";

/** A menu in the head of every panel and in the toolbar: what is there as a file. */
function offerPictures(
  root: HTMLElement,
  toolbar: HTMLElement,
  state: BenchState,
  draw: () => void,
  requestPaint: () => void,
  cleanup: Cleanup,
): void {
  const offer = (place: HTMLElement, what: string, parts: () => Iterable<Element>, title: () => string) => {
    const name = () => `${state.info.model} neuron ${state.neuron + 1} ${title()}`;
    const picture = () => {
      const drawn = record(draw);
      requestPaint();
      return pictureOf(root, parts(), drawn, name());
    };
    place.append(download(what, { name, picture, setError: (text) => state.setError(text) }, cleanup));
  };
  for (const head of root.querySelectorAll<HTMLElement>(".db-head")) {
    const panel = head.parentElement as HTMLElement;
    const title = () => (head.querySelector(".db-title")?.textContent ?? "").toLowerCase();
    offer(head, panel.getAttribute("aria-label") ?? "", () => panel.querySelectorAll(PICTURE), title);
  }
  offer(
    toolbar,
    "the whole bench",
    () => root.querySelectorAll(`.db-header,${PICTURE}`),
    () => "bench",
  );
}

/** The class with which hosts mark the views of models without a kernel. */
const CUT_OFF = "jupyter-widgets-disconnected";
/** Tell the state of the view what the host knows of its kernel. */
function followKernel(model: BenchModel, el: HTMLElement, state: BenchState, cleanup: Cleanup): void {
  const marked = () => el.closest(`.${CUT_OFF}`) !== null;
  const kernel = model.widget_manager?.kernel;
  const { check, stop } = watchConnection(kernel, marked, (connection) => state.setConnection(connection));
  const observer = new MutationObserver(check);
  observer.observe(el, { attributes: true, attributeFilter: ["class"] });
  cleanup.add(() => {
    observer.disconnect();
    stop();
  });
}

const CALM_MS = 300;
/** Send the width to the kernel once it is known, and again when it has stopped changing. */
function watchWidth(root: HTMLElement, state: BenchState, clock: Clock, cleanup: Cleanup): void {
  const sendWidth = () => {
    const width = Math.round(root.clientWidth);
    if (width > 0) state.sendWidth(width);
  };
  let cancel = () => {};
  const observer = new ResizeObserver(() => {
    cancel();
    cancel = clock.later(sendWidth, CALM_MS);
  });
  observer.observe(root);
  cleanup.add(() => {
    observer.disconnect();
    cancel();
  });
  sendWidth();
}

function listenKeys(
  root: HTMLElement,
  state: BenchState,
  release: () => void,
  openShortcuts: () => void,
  cleanup: Cleanup,
): void {
  const writing = (target: EventTarget | null) =>
    target instanceof HTMLElement &&
    (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) || target.isContentEditable);
  cleanup.listen<KeyboardEvent>(root, "keydown", (event) => {
    if (writing(event.target)) return;
    const key = event.key.toLowerCase();
    const command = event.ctrlKey || event.metaKey;
    if (command && !event.altKey && (key === "z" || key === "y")) {
      release();
      if (key === "y" || event.shiftKey) state.redo();
      else state.undo();
    } else if (command || event.altKey) return;
    else if (key === "t") {
      if (!event.repeat && !state.inGesture) state.setPeek(true);
    } else if (key === "p" && state.playing !== null && state.selected >= 0) {
      if (!event.repeat) state.togglePin(state.selected);
    } else if (key === "?") openShortcuts();
    else return;
    consume(event);
  });
  cleanup.listen<KeyboardEvent>(root, "keyup", (event) => {
    if (event.key.toLowerCase() === "t") state.setPeek(false);
  });
  cleanup.listen<FocusEvent>(root, "focusout", (event) => {
    if (!(event.relatedTarget instanceof Node) || !root.contains(event.relatedTarget)) state.setPeek(false);
  });
}
