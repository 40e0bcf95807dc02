"use strict";
// A normal mode moving: balls and sticks on a canvas, turned by dragging. No library, no network.
const Motion = (() => {
  const COLOURS = { H: "#e8e8e8", C: "#707070", N: "#4a6fd4", O: "#d8403c", F: "#7fc96b", P: "#e08a2e",
    S: "#d9c02f", Cl: "#46b04a", Br: "#9a4a32", I: "#8a4fb0" };
  const RADII = { H: 0.25 };
  const PERIOD_MS = 1400;
  const REACH = 0.45; // Å, of the largest displacement

  return function (canvas, symbols) {
    const pen = canvas.getContext("2d");
    let positions = [], bonds = [], moves = [], running = true, angle = [0.5, 0.4], begin = null, last = 0;

    function turned(v) {
      const [a, b] = angle;
      const x = v[0] * Math.cos(a) + v[2] * Math.sin(a), z = -v[0] * Math.sin(a) + v[2] * Math.cos(a);
      return [x, v[1] * Math.cos(b) - z * Math.sin(b), v[1] * Math.sin(b) + z * Math.cos(b)];
    }

    function draw(phase) {
      const ink = getComputedStyle(canvas).color, { width, height } = canvas;
      const size = Math.max(1.2, ...positions.map((r) => Math.hypot(...r))) + 0.7;
      const scale = Math.min(width, height) / 2 / size;
      const largest = Math.max(1e-9, ...moves.map((m) => Math.hypot(...m)));
      const shift = (REACH / largest) * Math.sin(phase);
      const place = (r) => { const [x, y, z] = turned(r); return [width / 2 + scale * x, height / 2 - scale * y, z]; };
      const moved = positions.map((r, i) => place(r.map((x, k) => x + shift * (moves[i] ? moves[i][k] : 0))));
      pen.clearRect(0, 0, width, height);
      const items = [
        ...bonds.map(([i, j]) => ({ z: (moved[i][2] + moved[j][2]) / 2 - 0.05, bond: [i, j] })),
        ...moved.map((p, i) => ({ z: p[2], atom: i })),
      ].sort((p, q) => p.z - q.z);
      for (const item of items) {
        pen.beginPath();
        if (item.bond) {
          const [p, q] = item.bond.map((i) => moved[i]);
          pen.moveTo(p[0], p[1]); pen.lineTo(q[0], q[1]);
          pen.lineWidth = 0.14 * scale; pen.strokeStyle = "#9a9a9a"; pen.stroke();
          continue;
        }
        const [x, y] = moved[item.atom], symbol = symbols[item.atom], radius = scale * (RADII[symbol] || 0.36);
        const shade = pen.createRadialGradient(x - radius / 3, y - radius / 3, radius / 8, x, y, radius);
        shade.addColorStop(0, "#ffffff"); shade.addColorStop(0.5, COLOURS[symbol] || "#b08fc0");
        shade.addColorStop(1, "#333333");
        pen.arc(x, y, radius, 0, 2 * Math.PI); pen.fillStyle = shade; pen.fill();
      }
      pen.strokeStyle = ink; pen.fillStyle = ink; pen.lineWidth = Math.max(1.5, 0.03 * scale);
      positions.forEach((r, i) => { // an arrow per atom that moves: readable in print, and without animation
        if (!moves[i] || Math.hypot(...moves[i]) < 0.15 * largest) return;
        const p = place(r), q = place(r.map((x, k) => x + (1.9 * REACH / largest) * moves[i][k]));
        const direction = Math.atan2(q[1] - p[1], q[0] - p[0]), length = Math.hypot(q[0] - p[0], q[1] - p[1]);
        const head = Math.min(0.14 * scale, length / 2);
        pen.beginPath(); pen.moveTo(p[0], p[1]); pen.lineTo(q[0], q[1]);
        for (const side of [-0.45, 0.45]) {
          pen.moveTo(q[0], q[1]);
          pen.lineTo(q[0] - head * Math.cos(direction + side), q[1] - head * Math.sin(direction + side));
        }
        pen.stroke();
      });
    }

    function tick(now) {
      if (running && now - last > 30) { last = now; begin ??= now; draw((2 * Math.PI * (now - begin)) / PERIOD_MS); }
      requestAnimationFrame(tick);
    }

    canvas.addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      angle = [angle[0] + event.movementX / 100, angle[1] + event.movementY / 100];
      if (!running) draw(0);
    });
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) running = false;
    requestAnimationFrame(tick);

    return {
      show(conformer, mode) {
        ({ positions, bonds } = conformer);
        moves = mode ? mode.moves : [];
        draw(0);
      },
      toggle() { running = !running; draw(0); return running; },
    };
  };
})();
