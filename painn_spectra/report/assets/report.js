"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const STYLES = [["computed", "blue"], ["second", "purple"]];
  const FINE = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"],
    toImageButtonOptions: { format: "svg" } };
  const BANDS_FROM_CM = 300; // free rotation below may be far stronger than all bands: it does not set the first scale
  const DEPOLARISED_ABOVE = 0.01; // of the strongest point: below, the ratio is one of noise

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const faded = (hex, alpha) => hex + Math.round(255 * alpha).toString(16).padStart(2, "0");
  const largest = (values) => values.reduce((most, x) => (x > most ? x : most), 0);
  const highest = (nu, y) => 1.12 * largest(y.filter((_, i) => nu[i] >= BANDS_FROM_CM));
  const name = (kind) => (data.kinds.length > 1 ? `computed, ${kind.name}` : "computed");

  const marked = { ir: null, raman: null }; // borders of the chosen band

  function marks(id) {
    if (!marked[id]) return [];
    const [x0, x1] = marked[id];
    return [{ type: "rect", x0, x1, y0: 0, y1: 1, yref: "paper", layer: "below", line: { width: 0 },
      fillcolor: colour("faint"), opacity: 0.15 }];
  }

  function axis(extra) {
    return { gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("faint"), showline: true,
      ticks: "outside", tickcolor: colour("faint"), automargin: true, ...extra };
  }

  function layout(extra) {
    return { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", uirevision: "keep",
      font: { color: colour("ink"), size: 12, family: "system-ui, sans-serif" }, hovermode: "closest",
      hoverlabel: { bgcolor: colour("panel"), font: { color: colour("ink") } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("faint"), activecolor: colour("blue") },
      margin: { l: 60, r: 12, t: 30, b: 40 }, legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0 }, ...extra };
  }

  // a curve with its band of errors, which goes on and off with it
  function curve(label, nu, y, error, hue, unit, extra = {}) {
    const group = { legendgroup: label, x: nu, ...extra }, edge = { ...group, mode: "lines", line: { width: 0 },
      hoverinfo: "skip", showlegend: false };
    const has = error && error.some((e) => e !== null);
    const shift = (sign) => y.map((v, i) => (v === null || error[i] === null ? null : v + sign * error[i]));
    const band = has ? [{ ...edge, y: shift(-1) },
      { ...edge, y: shift(1), fill: "tonexty", fillcolor: faded(hue, 0.28) }] : [];
    return [...band, { ...group, y, name: label, mode: "lines", line: { color: hue, width: 1.6, ...extra.line },
      customdata: has ? error : undefined,
      hovertemplate: `%{x:.0f} cm⁻¹: %{y:.3g}${has ? " ± %{customdata:.2g}" : ""} ${unit}<extra>${label}</extra>` }];
  }

  // what the trained models differ by: between dotted lines, told from the shade of sampling without colour
  function spread(label, nu, y, models, unit) {
    const name = `${label} ± models`, hue = colour("vermilion");
    const edge = (sign) => ({ legendgroup: name, x: nu, mode: "lines", line: { color: hue, width: 1, dash: "dot" },
      y: y.map((v, i) => (v === null || models[i] === null ? null : v + sign * models[i])) });
    return [{ ...edge(-1), hoverinfo: "skip", showlegend: false },
      { ...edge(1), name, fill: "tonexty", fillcolor: faded(hue, 0.16), customdata: models,
        hovertemplate: `%{x:.0f} cm⁻¹: ± %{customdata:.2g} ${unit}<extra>models</extra>` }];
  }

  function sticks(kind) {
    const hues = { reference: colour("ink"), model: colour(kind === "ir" ? "blue" : "green") };
    return data.sticks.map((table, number) => {
      const model = number === data.sticks.length - 1, sign = model && data.sticks.length > 1 ? -1 : 1;
      const x = [], y = [], text = [];
      table.nu.forEach((nu, i) => {
        const height = sign * table[kind][i], words = `${nu.toFixed(0)} cm⁻¹: ${table[kind][i].toPrecision(3)}`;
        x.push(nu, nu, null); y.push(0, height, null); text.push(words, words, "");
      });
      const label = `harmonic, ${table.label}`;
      return { x, y, text, name: label, mode: "lines", yaxis: "y2", hovertemplate: `%{text}<extra>${label}</extra>`,
        line: { width: 2, color: model ? hues.model : hues.reference } };
    });
  }

  // downwards is no minus
  function stickAxis(kind, extra) {
    const rough = Math.max(1e-9, ...data.sticks.map((table) => largest(table[kind]))) / 1.6;
    const tick = Number(rough.toPrecision(1)), below = data.sticks.length > 1;
    return axis({ tickvals: [-tick, 0, tick], ticktext: [tick, 0, tick], range: [below ? -2 * tick : 0, 2 * tick],
      ...extra });
  }

  function published(kind, top) {
    const rows = data.published.filter((row) => row.spectrum === kind);
    return rows.length ? [{ x: rows.map((row) => row.nu), y: rows.map(() => top), text: rows.map((row) => row.text),
      name: "published maxima", mode: "markers", hovertemplate: "%{x:.0f} cm⁻¹, %{text}<extra>published</extra>",
      marker: { symbol: "triangle-down", size: 9, color: colour("orange") } }] : [];
  }

  // measured intensities are on a scale of their own: as high as the computed curve where both are
  function scaledMeasurement(kind, nu, y) {
    const curve = data.measured[kind];
    if (!curve) return null;
    const inside = curve.y.filter((_, i) => curve.nu[i] >= nu[0] && curve.nu[i] <= nu[nu.length - 1]);
    const factor = largest(y) / (largest(inside) || 1);
    return { nu: curve.nu, y: curve.y.map((v) => (v === null ? null : factor * v)), title: curve.title };
  }

  function wavenumbers(id, nu, extra) {
    const ends = [nu[0], nu[nu.length - 1]];
    return axis({ title: { text: "wavenumber, cm⁻¹" }, zeroline: false,
      range: element(`${id}-reversed`).checked ? ends.reverse() : ends, ...extra });
  }

  function drawInfrared() {
    const quantity = element("ir-quantity").value, amount = Number(element("ir-column").value) || 0;
    const perUnit = (1e5 * 1e-4 * amount) / Math.LN10; // km → cm, m⁻² → cm⁻², decadic
    const shapes = {
      density: [(d) => d, "km mol⁻¹ per cm⁻¹", "km mol⁻¹ per cm⁻¹"],
      absorbance: [(d) => perUnit * d, "", "absorbance"],
      transmittance: [(d) => 100 * 10 ** (-perUnit * d), "%", "transmittance, %"],
    };
    const [shape, unit, title] = shapes[quantity];
    const slope = (d, e) => Math.abs(shape(d + e) - shape(d - e)) / 2;
    const map = (values) => values.map((d) => (d === null ? null : shape(d)));
    const errors = (y, e) => y.map((d, i) => (d === null || e[i] === null ? null : slope(d, e[i])));
    const traces = data.kinds.flatMap((kind, i) => {
      const { nu, density, error, models } = kind.ir, hue = colour(STYLES[i % 2][1]);
      const band = models ? spread(name(kind), nu, map(density), errors(density, models), unit) : [];
      return [...band, ...curve(name(kind), nu, map(density), errors(density, error), hue, unit)];
    });
    const { nu, density } = data.kinds[0].ir, measured = scaledMeasurement("ir", nu, density);
    if (measured) traces.push(...curve(`measured, scaled: ${measured.title}`, measured.nu, map(measured.y), null,
      colour("faint"), unit, { line: { dash: "dot" } }));
    const top = quantity === "transmittance" ? 105 : highest(nu, map(density));
    traces.push(...published("ir", 0.98 * top), ...sticks("ir"));
    Plotly.react("ir", traces, layout({
      shapes: marks("ir"),
      xaxis: wavenumbers("ir", nu, { anchor: "y2" }),
      yaxis: axis({ title: { text: title }, domain: [0.27, 1], range: [0, top],
        uirevision: `${quantity} ${amount}` }),
      yaxis2: stickAxis("ir", { title: { text: "km mol⁻¹" }, domain: [0, 0.2] }),
    }), FINE);
  }

  // d²σ/dΩdν̃ = K (ν̃0−ν̃)⁴/ν̃ · activity/(1 − exp(−hcν̃/kT)), light polarised across the scattering plane
  function stokes(nu) {
    const { raman, second_radiation: c2, first_stokes: lowest } = data.constants;
    const laser = 1e7 / Number(element("raman-laser").value), kelvin = Number(element("raman-temperature").value);
    return nu < lowest || !(laser > nu) || !(kelvin > 0) ? null
      : (raman * (laser - nu) ** 4) / nu / -Math.expm1((-c2 * nu) / kelvin);
  }

  function drawRaman() {
    const signal = element("raman-quantity").value === "signal";
    const unit = signal ? "m² sr⁻¹ per cm⁻¹" : "Å⁴ amu⁻¹ per cm⁻¹", traces = [];
    const { nu, density } = data.kinds[0].raman;
    const factors = (axis) => axis.map((x) => (signal ? stokes(x) : 1));
    const times = (y, f) => y.map((v, i) => (v === null || f[i] === null ? null : v * f[i]));
    data.kinds.forEach((kind, i) => {
      const { nu, density, error, models, isotropic, anisotropic } = kind.raman, f = factors(nu);
      if (models) traces.push(...spread(name(kind), nu, times(density, f), times(models, f), unit));
      traces.push(...curve(name(kind), nu, times(density, f), times(error, f),
        colour(i ? "purple" : "green"), unit));
      traces.push(...curve(`isotropic part`, nu, times(isotropic, f), null, colour("vermilion"), unit,
        { visible: "legendonly" }));
      traces.push(...curve(`anisotropic part`, nu, times(anisotropic, f), null, colour("blue"), unit,
        { visible: "legendonly" }));
      const strong = DEPOLARISED_ABOVE * largest(density);
      const ratio = nu.map((_, k) => (density[k] > strong
        ? (3 * anisotropic[k]) / (7 * isotropic[k] + 4 * anisotropic[k]) : null));
      traces.push({ x: nu, y: ratio, name: "depolarisation ratio", yaxis: "y3", mode: "lines",
        line: { color: colour(i ? "orange" : "purple"), width: 1.4 },
        hovertemplate: "%{x:.0f} cm⁻¹: ρ = %{y:.3f}<extra></extra>" });
    });
    const shown = times(density, factors(nu)), measured = scaledMeasurement("raman", nu, shown);
    if (measured) traces.push(...curve(`measured, scaled: ${measured.title}`, measured.nu, measured.y, null,
      colour("faint"), "", { line: { dash: "dot" } }));
    const top = highest(nu, shown);
    traces.push(...published("raman", 0.98 * top), ...sticks("raman"));
    Plotly.react("raman", traces, layout({
      shapes: marks("raman"),
      xaxis: wavenumbers("raman", nu, { anchor: "y3" }),
      yaxis: axis({ title: { text: unit }, domain: [0.43, 1],
        range: [0, top], uirevision: top, exponentformat: "power" }),
      yaxis2: stickAxis("raman", { title: { text: "Å⁴ amu⁻¹" }, domain: [0.21, 0.37] }),
      yaxis3: axis({ title: { text: "ρ" }, domain: [0, 0.15], range: [0, 0.8], nticks: 3 }),
    }), FINE);
  }

  function drawLearning() {
    if (!data.learning.length) return;
    const hues = ["blue", "green", "vermilion", "purple", "orange"], dashes = ["solid", "dash", "dot", "dashdot", "longdash"];
    Plotly.react("learning", data.learning.map((curve, i) => ({ x: curve.epoch, y: curve.forces, name: curve.label,
      mode: "lines", line: { color: colour(hues[i % 5]), dash: dashes[i % 5] },
      hovertemplate: "epoch %{x}: %{y:.3g} meV/Å<extra></extra>" })), layout({
      xaxis: axis({ title: { text: "epoch" } }), showlegend: data.learning.length > 1,
      yaxis: axis({ type: "log", title: { text: "force error, meV/Å" }, dtick: 1 }) }), FINE);
  }

  function drawAll() {
    if (data.kinds.length) { drawInfrared(); drawRaman(); }
    drawLearning();
  }

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    heads.forEach((head, column) => head.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => { const cell = row.cells[column];
        return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent; };
      const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b
        : typeof a === typeof b ? a.localeCompare(b) : typeof a === "number" ? -1 : 1);
      body.append(...[...body.rows].sort((a, b) => (up ? 1 : -1) * compare(key(a), key(b))));
    }));
  }

  function words(source) {
    if (source.tagName !== "TABLE") return source.textContent;
    return [...source.rows].map((row) => [...row.cells].map((cell) => cell.textContent.trim()).join("\t")).join("\n");
  }

  async function copy(button) {
    const source = button.closest("div, details").querySelector("table, pre"), label = button.textContent;
    try {
      await navigator.clipboard.writeText(words(source));
    } catch { // a page opened from a file may not be allowed to
      getSelection().selectAllChildren(source);
      document.execCommand("copy");
    }
    button.textContent = "copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  }

  // a band is chosen in its table or in its spectrum, and marked in both
  function onBand(also) {
    const rows = [...document.querySelectorAll("table.bands tbody tr")];
    let chosen = null;
    const choose = (row) => {
      if (row === chosen) return;
      chosen?.classList.remove("chosen");
      chosen = row;
      row.classList.add("chosen");
      const { spectrum, lower, upper } = row.dataset;
      for (const id of ["ir", "raman"]) marked[id] = id === spectrum ? [Number(lower), Number(upper)] : null;
      for (const id of ["ir", "raman"]) Plotly.relayout(id, { shapes: marks(id) });
      also(row);
    };
    rows.forEach((row) => {
      for (const event of ["pointerenter", "focus", "click"]) row.addEventListener(event, () => choose(row));
    });
    for (const id of ["ir", "raman"]) for (const event of ["plotly_hover", "plotly_click"])
      element(id).on?.(event, ({ points: [{ x }] }) => {
        const inside = rows.find(({ dataset: { spectrum, lower, upper } }) =>
          spectrum === id && x >= Number(lower) && x <= Number(upper));
        if (inside) choose(inside);
      });
  }

  function animate() {
    const canvas = element("motion");
    if (!canvas) return;
    const { symbols, conformers } = data.modes, motion = Motion(canvas, symbols), select = element("mode");
    const entries = conformers.flatMap((conformer, c) => conformer.modes.map((mode, m) => ({ conformer, mode, c, m })));
    const told = ({ mode, c }) => `${mode.nu.toFixed(0)} cm⁻¹${conformers.length > 1 ? `, conformer ${c + 1}` : ""}`;
    entries.forEach((entry, i) => select.add(new Option(told(entry), i)));
    const show = (i) => {
      const { conformer, mode } = entries[i];
      select.value = i;
      motion.show(conformer, mode);
      element("mode-name").textContent = `${told(entries[i])}: IR ${mode.ir} km/mol, Raman ${mode.raman} Å⁴/amu`;
    };
    const moved = ({ dataset: { conformer, wavenumber } }) => {
      if (!wavenumber) return -1;
      const away = ({ mode, c }) => Math.abs(mode.nu - wavenumber) + (c === Number(conformer) ? 0 : 1);
      return entries.reduce((best, entry, i) => (away(entry) < away(entries[best]) ? i : best), 0);
    };
    const strongest = ({ dataset: { spectrum, lower, upper } }) => {
      // harmonic stretches lie up to some 5 % above the band that they become
      const inside = entries.filter(({ mode }) => mode.nu >= lower && mode.nu <= upper * 1.05);
      const best = inside.sort((a, b) => b.mode[spectrum] * b.conformer.weight - a.mode[spectrum] * a.conformer.weight);
      return best.length ? entries.indexOf(best[0]) : -1;
    };
    onBand((row) => {
      const known = moved(row), found = known >= 0 ? known : strongest(row);
      if (found >= 0) show(found);
      element("mode-told").textContent = row.dataset.told;
    });
    select.addEventListener("change", () => show(Number(select.value)));
    element("pause").addEventListener("click", (event) => {
      event.target.textContent = motion.toggle() ? "pause" : "play";
    });
    const first = entries.reduce((best, e, i) => (e.mode.ir > entries[best].mode.ir ? i : best), 0);
    if (entries.length) show(first);
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll("button.copy").forEach((button) => button.addEventListener("click", () => copy(button)));
  for (const [id, draw] of [["ir", drawInfrared], ["raman", drawRaman]])
    document.querySelectorAll(`[id^="${id}-"]`).forEach((input) => input.addEventListener("change", () => {
      if (data.kinds.length) draw();
    }));
  element("theme").addEventListener("click", () => {
    const dark = colour("ground") === "#15181c";
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    drawAll();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let before; // paper is white
  addEventListener("beforeprint", () => { before = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light"; drawAll(); });
  addEventListener("afterprint", () => { if (before) document.documentElement.dataset.theme = before;
    else delete document.documentElement.dataset.theme;
    drawAll(); });
  drawAll();
  animate();
})();
