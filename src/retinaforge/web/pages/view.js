"use strict";
/* One image that can be enlarged, moved and seen red-free: wheel, drag, pinch, double tap. */
const LARGEST = 12;

function makeView(label) {
  const box = document.createElement("div"), canvas = document.createElement("canvas");
  box.className = "view"; box.append(canvas);
  canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", label);
  const touches = new Map();
  let picture = null, scale = 1, x = 0, y = 0, green = false, tapped = 0, moved = false;

  function paint() {
    if (!picture) return;
    canvas.width = picture.width; canvas.height = picture.height;
    const brush = canvas.getContext("2d", {willReadFrequently: green});
    brush.drawImage(picture, 0, 0);
    if (!green) return;
    /* Red-free: the green channel alone, as a camera's green filter shows it. */
    const seen = brush.getImageData(0, 0, canvas.width, canvas.height), p = seen.data;
    for (let k = 0; k < p.length; k += 4) p[k] = p[k + 2] = p[k + 1];
    brush.putImageData(seen, 0, 0);
  }
  function place() {
    const side = box.clientWidth, most = 0, least = side - side * scale;
    x = Math.min(most, Math.max(least, x)); y = Math.min(most, Math.max(least, y));
    canvas.style.transform = "translate(" + x + "px," + y + "px) scale(" + scale + ")";
    box.dataset.scale = scale.toFixed(2);
    box.classList.toggle("large", scale > 1);
  }
  function zoomAt(factor, left, top) {
    const to = Math.min(LARGEST, Math.max(1, scale * factor));
    x = left - (left - x) * to / scale; y = top - (top - y) * to / scale;
    scale = to; place();
  }
  function inside(event) {
    const frame = box.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  }
  function spread() {
    const [a, b] = [...touches.values()];
    return {far: Math.hypot(a[0] - b[0], a[1] - b[1]), mid: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]};
  }
  box.addEventListener("pointerdown", event => {
    touches.set(event.pointerId, inside(event));
    try { box.setPointerCapture(event.pointerId); } catch (error) { /* the pointer is gone */ }
    moved = touches.size > 1;
  });
  box.addEventListener("pointermove", event => {
    if (!touches.has(event.pointerId)) return;
    const was = touches.get(event.pointerId), at = inside(event);
    if (touches.size === 2) {
      const before = spread();
      touches.set(event.pointerId, at);
      const after = spread();
      x += after.mid[0] - before.mid[0]; y += after.mid[1] - before.mid[1];
      zoomAt(after.far / Math.max(before.far, 1), after.mid[0], after.mid[1]);
    } else {
      touches.set(event.pointerId, at);
      if (Math.hypot(at[0] - was[0], at[1] - was[1]) > 1) moved = true;
      x += at[0] - was[0]; y += at[1] - was[1]; place();
    }
  });
  function lift(event) {
    if (!touches.delete(event.pointerId) || touches.size || moved || event.type !== "pointerup") return;
    const time = event.timeStamp, [left, top] = inside(event);
    if (time - tapped < 350) { zoomAt(scale > 1 ? 1 / LARGEST : 3, left, top); tapped = 0; }
    else tapped = time;
  }
  for (const kind of ["pointerup", "pointercancel"]) box.addEventListener(kind, lift);
  box.addEventListener("wheel", event => {
    event.preventDefault();
    zoomAt(Math.exp(-event.deltaY / 400), ...inside(event));
  }, {passive: false});
  new ResizeObserver(place).observe(box);

  return {
    box,
    show(next) { picture = next; scale = 1; x = y = 0; paint(); place(); },
    hide() { picture = null; canvas.width = canvas.height = 1; },
    zoom(factor) { zoomAt(factor, box.clientWidth / 2, box.clientHeight / 2); },
    fit() { scale = 1; place(); },
    move(right, down) { x -= right * box.clientWidth / 8; y -= down * box.clientWidth / 8; place(); },
    green(on) { green = on; paint(); },
  };
}
