// Put into the page before anything else. Watches from outside what a drag does, without help from the widget:
//   pointers  when a pointer event reached the page, and what kind of event it was
//   sends     when a request left on the kernel's websocket, its number, and whether it ended a gesture
//   answers   when an answer arrived, its number and the kernel's work in ms
//   paints    per watched canvas: the end of each frame in which it was drawn to
//   shown     per watched text: the end of each frame in which it read otherwise than before
//   frames    the end of every frame
(() => {
  const probe = { pointers: [], sends: [], answers: [], paints: {}, shown: {}, frames: [], watched: {}, texts: {} };
  window.__drag = probe;
  probe.clear = () => {
    for (const list of [probe.pointers, probe.sends, probe.answers, probe.frames]) list.length = 0;
    probe.paints = {};
    probe.shown = {};
  };

  for (const kind of ["pointerdown", "pointermove", "pointerup"]) {
    window.addEventListener(
      kind,
      (event) => probe.pointers.push({ at: performance.now(), made: event.timeStamp, kind, value: null }),
      true,
    );
  }
  // The mouse event of the same move comes next, and by the time it leaves the window a slider has taken the value in.
  window.addEventListener("mousemove", () => {
    const text = probe.reading && document.querySelector(probe.reading)?.textContent;
    const last = probe.pointers.at(-1);
    if (text && last) last.value = Number(text);
  });

  // Jupyter's binary framing: a count, that many 64-bit offsets, then channel, header, parent, metadata, content, ...
  const text = new TextDecoder();
  const contentOf = (data) => {
    if (!(data instanceof ArrayBuffer || ArrayBuffer.isView(data))) return null;
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const offset = (i) => Number(view.getBigUint64(8 * (i + 1), true));
    const part = (i) => text.decode(bytes.subarray(offset(i), offset(i + 1)));
    if (JSON.parse(part(1)).msg_type !== "comm_msg") return null;
    return JSON.parse(part(4)).data?.content ?? null;
  };
  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {
    constructor(...args) {
      super(...args);
      this.addEventListener("message", (event) => {
        const content = contentOf(event.data);
        if (content?.type === "answer") {
          probe.answers.push({ at: performance.now(), seq: content.seq, work: content.work_ms, settled: content.settled });
        }
      });
    }
    send(data) {
      const content = contentOf(data);
      if (content?.type === "edit") {
        probe.sends.push({ at: performance.now(), seq: content.seq, end: content.phase === "end" });
      }
      super.send(data);
    }
  };

  const drawn = new Set();
  const context = CanvasRenderingContext2D.prototype;
  for (const name of ["clearRect", "fillRect", "drawImage", "putImageData", "stroke", "fill"]) {
    const plain = context[name];
    context[name] = function (...args) {
      drawn.add(this.canvas);
      return plain.apply(this, args);
    };
  }
  const last = {};
  const framed = () => {
    const now = performance.now();
    probe.frames.push(now);
    for (const [name, selector] of Object.entries(probe.watched)) {
      if ([...drawn].some((canvas) => canvas.isConnected && canvas.matches(selector))) {
        probe.paints[name] = probe.paints[name] ?? [];
        probe.paints[name].push(now);
      }
    }
    drawn.clear();
    for (const [name, selector] of Object.entries(probe.texts)) {
      const found = document.querySelector(selector)?.textContent ?? null;
      if (found !== null && found !== last[name]) {
        probe.shown[name] = probe.shown[name] ?? [];
        probe.shown[name].push({ at: now, text: found });
      }
      last[name] = found;
    }
  };
  const frame = () => {
    // Runs once this frame has been painted. A plain message would wait behind the hand: input and frames go first.
    scheduler.postTask(framed, { priority: "user-blocking" });
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})();
