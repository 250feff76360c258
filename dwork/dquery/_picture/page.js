"use strict";
// The interactive parts of a report: the plots follow the colours of the page and show single tasks when few are in
// sight; the table of tasks can be searched. All text comes from users' files, so it is only ever set as text.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const config = { responsive: true, displaylogo: false, doubleClick: "reset",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Plotly interprets some markup in labels.
  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  function column(text, kind) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Float64Array.from({ length: bytes.length / kind }, (_, i) =>
      kind === 4 ? view.getUint32(4 * i, true) : bytes[i]);
  }
  const bars = { start: column(data.bars.start, 4), length: column(data.bars.length, 4), task: column(data.bars.task, 4),
    place: column(data.bars.place, 4), outcome: column(data.bars.outcome, 1) };
  const NAME = 1;
  const byId = new Map(data.tasks.map((row) => [row[0], row]));
  const places = [];  // row and lane of each place
  data.lanes.forEach((n, row) => { for (let lane = 0; lane < n; lane++) places.push([row, lane, n]); });

  // -- plots ---------------------------------------------------------------------------------------------------------

  const time = $("time"), runTimes = $("run-times");
  const figure = data.figures.time;
  // Plotly shifts numeric times to the browser's time zone, in most places but not in all. A date without a zone it leaves
  // unchanged, to a tenth of a millisecond, so it gets nothing else.
  const date = (ms) => {
    if (ms === null) return null;
    const tenths = Math.round(ms * 10), whole = Math.floor(tenths / 10);
    return `${new Date(whole).toISOString().slice(0, -1).replace("T", " ")}${tenths - 10 * whole}`;
  };
  const indices = (meta) => figure.data.flatMap((trace, i) => (trace.meta === meta ? [i] : []));
  const busy = indices("busy"), bad = indices("bad"), drawn = indices("bars");
  const fine = busy.map((i) => ({ ...figure.data[i] }));
  for (const shape of figure.layout.shapes ?? []) for (const key of ["x0", "x1"]) shape[key] = date(shape[key]);
  for (const note of figure.layout.annotations ?? []) note.x = date(note.x);
  for (const trace of figure.data) {
    if (trace.x) trace.x = trace.x.map(date);
    if (trace.x0 !== undefined) trace.x0 = date(trace.x0);
  }

  function colours(axes) {
    const change = { "font.color": colour("--text"), "hoverlabel.bgcolor": colour("--card"),
      "hoverlabel.font.color": colour("--text"), "hoverlabel.bordercolor": colour("--line") };
    for (const axis of axes) change[`${axis}.gridcolor`] = change[`${axis}.linecolor`] = colour("--line");
    return change;
  }
  function applied(layout, change) {
    const copy = structuredClone(layout);
    for (const [path, value] of Object.entries(change)) {
      const keys = path.split("."), last = keys.pop();
      let at = copy;
      for (const key of keys) at = at[key] ??= {};
      at[last] = value;
    }
    return copy;
  }
  const scale = () => ({ "coloraxis.colorscale": [[0, colour("--idle")], [0.5, colour("--half")], [1, colour("--busy")]] });
  const timeColours = () => ({ ...colours(["xaxis", "yaxis", "yaxis2", "yaxis3"]), ...scale() });
  const runTimesColours = () => colours(["xaxis", "yaxis"]);

  function labels(low, high, height) {
    // Names of the rows in sight, as many as there is room for.
    const first = Math.max(0, Math.ceil(low)), last = Math.min(data.rows.length - 1, Math.floor(high));
    const step = Math.max(1, Math.ceil((last - first + 1) / Math.max(1, Math.floor(height / 15))));
    const rows = [];
    for (let row = first; row <= last; row += step) rows.push(row);
    return { "yaxis.tickvals": rows, "yaxis.ticktext": rows.map((row) => plain(data.rows[row])) };
  }

  function inSight([from, to], [low, high]) {
    const found = [];
    for (let i = 0; i < bars.start.length; i++) {
      const start = data.begin + bars.start[i] * data.unit, row = places[bars.place[i]][0];
      if (start < to && start + bars.length[i] * data.unit > from && row + 0.5 > low && row - 0.5 < high) {
        if (found.length === data.most) return null;
        found.push(i);
      }
    }
    return found;
  }

  function label(i) {
    const row = byId.get(bars.task[i]);
    return `<b>#${bars.task[i]} ${row ? plain(row[NAME]) : ""}</b><br>${data.outcomes[bars.outcome[i]]} after ` +
      `${seconds(bars.length[i] * data.unit / 1e3)}<br>${plain(data.rows[places[bars.place[i]][0]])}`;
  }

  function traces(found) {
    // One for each outcome; each task is a horizontal bar in its lane.
    return data.outcomes.map((_, outcome) => {
      const mine = found.filter((i) => bars.outcome[i] === outcome);
      const lane = (i) => places[bars.place[i]];
      return {
        base: mine.map((i) => date(data.begin + bars.start[i] * data.unit)),
        x: mine.map((i) => Math.max(bars.length[i], 1) * data.unit),
        y: mine.map((i) => lane(i)[0] - 0.5 + (lane(i)[1] + 0.5) / lane(i)[2] * 0.92 + 0.04),
        width: mine.map((i) => 0.92 / lane(i)[2] * (lane(i)[2] > 1 ? 0.94 : 1)),
        hovertext: mine.map(label),
      };
    });
  }

  function merged({ z, x0, dx }, n) {
    // The mean of the known values of every n bins: of more bins than pixels only some would be visible.
    if (n === 1) return z;
    return z.map((cells) => Array.from({ length: Math.ceil(cells.length / n) }, (_, k) => {
      const known = cells.slice(k * n, k * n + n).filter((share) => share !== null);
      return known.length ? Math.round(known.reduce((a, b) => a + b) / known.length) : null;
    }));
  }
  function busiest([from, to]) {
    // Data of the heat maps: as many bins as can be seen.
    const change = { z: [], x0: [], dx: [], customdata: [] };
    for (const trace of fine) {
      const seen = Math.min((to - from) / trace.dx, trace.z[0]?.length ?? 0);
      const n = Math.max(1, 2 ** Math.ceil(Math.log2(seen / data.bins)));
      const z = merged(trace, n);
      change.z.push(z);
      change.x0.push(date(trace.x0 + trace.dx * (n - 1) / 2));
      change.dx.push(trace.dx * n);
      change.customdata.push(z.map((cells, row) => new Array(cells.length).fill(plain(data.rows[row]))));
    }
    return change;
  }

  let last = "";
  async function look() {
    // Show bars when few are in sight, else how busy each worker was.
    const { xaxis, yaxis } = time._fullLayout;
    const across = xaxis.range.map((x) => xaxis.r2l(x)), down = [...yaxis.range].sort((a, b) => a - b);
    if (last === JSON.stringify([across, down])) return;
    last = JSON.stringify([across, down]);
    const found = inSight(across, down);
    const each = found ? traces(found) : data.outcomes.map(() => ({ base: [], x: [], y: [], width: [], hovertext: [] }));
    const change = { visible: each.map((trace) => trace.x.length > 0) };
    for (const key of ["base", "x", "y", "width", "hovertext"]) change[key] = each.map((trace) => trace[key]);
    // Set again, since Plotly guesses the type of axes when it gets data.
    const axes = { "xaxis.type": "date", "xaxis.range": [...xaxis.range], "yaxis.type": "linear",
      "yaxis.range": [...yaxis.range], ...labels(...down, yaxis._length) };
    await Plotly.update(time, change, axes, drawn);
    await Plotly.update(time, { visible: !found, ...(found ? {} : busiest(across)) }, axes, busy);
    await Plotly.restyle(time, { visible: !found }, bad);
    $("showing").textContent = found ? `${found.length.toLocaleString("en")} single attempts in sight.` :
      "There are too many attempts in sight to show each; crosses are attempts that were not done.";
    document.body.dataset.mode = found ? "bars" : "busy";
  }

  async function draw() {
    await Plotly.newPlot(time, figure.data, applied(figure.layout, { ...timeColours(), "xaxis.range": data.range.map(date) }), config);
    await Plotly.newPlot(runTimes, data.figures.runTimes.data, applied(data.figures.runTimes.layout, runTimesColours()), config);
    time.on("plotly_relayout", look);
    await look();
    document.body.dataset.ready = "yes";
  }
  dark.addEventListener("change", () => {
    Plotly.relayout(time, timeColours());
    Plotly.relayout(runTimes, runTimesColours());
  });

  const show = (range) => Plotly.relayout(time, { "xaxis.range": range.map(date), "yaxis.range": [Math.max(1, data.rows.length) - 0.5, -0.5] });
  for (const button of document.querySelectorAll("button[data-range]")) {
    button.addEventListener("click", () => show(JSON.parse(button.dataset.range)));
  }

  // -- the table of tasks --------------------------------------------------------------------------------------------

  function seconds(n) {
    if (n < 1e-3) return `${Math.round(n * 1e6)} µs`;
    if (n < 0.9995) return `${+(n * 1e3).toPrecision(3)} ms`;
    if (n < 59.95) return `${n.toFixed(n < 10 ? 2 : 1)} s`;
    const whole = Math.round(n), of = (x) => Math.floor(whole / x);
    if (whole < 3600) return `${of(60)} min ${whole % 60} s`;
    return whole < 172800 ? `${of(3600)} h ${of(60) % 60} min` : `${of(86400)} d ${of(3600) % 24} h`;
  }
  function size(n) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let i = 0;
    while (n >= 1024 && i < units.length - 1) { n /= 1024; i++; }
    return `${n < 10 && i ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
  }
  const or = (f) => (value) => (value === null ? "" : f(value));
  const COLUMNS = [[(n) => `#${n}`, "n"], [String, "name"], [String, ""], [or(String), "n"], [or(seconds), "n"], [or(String), ""],
    [or(String), ""], [or(size), "n"], [or(seconds), "n"]];
  const SHOWN = 200, STATE = 2, SECONDS = 4, START = 9;
  let order = { column: 0, down: false };

  function search() {
    const wanted = $("search").value.toLowerCase(), state = $("state").value;
    const rows = data.tasks.filter((row) => (!state || row[STATE] === state) &&
      (row[NAME].toLowerCase().includes(wanted) || `#${row[0]}` === wanted));
    const { column, down } = order, sign = down ? -1 : 1;
    const empty = (value) => value === null || value === "";
    rows.sort(({ [column]: a }, { [column]: b }) =>
      empty(a) || empty(b) ? empty(a) - empty(b) : sign * (a < b ? -1 : a > b ? 1 : 0));
    $("found").replaceChildren(...rows.slice(0, SHOWN).map(line));
    $("count").textContent = `${rows.length.toLocaleString("en")} of ${data.tasks.length.toLocaleString("en")}` +
      (rows.length > SHOWN ? `, the first ${SHOWN} are shown` : "");
  }
  function line(row) {
    const tr = document.createElement("tr");
    COLUMNS.forEach(([words, kind], i) => {
      const td = tr.appendChild(document.createElement("td"));
      td.textContent = words(row[i]);
      td.className = i === STATE && row[i] === "failed" ? "bad" : kind;
    });
    if (row[START] !== null) tr.addEventListener("click", () => goTo(row));
    return tr;
  }
  function goTo(row) {
    const start = data.begin + row[START] * 1e3, length = Math.max(row[SECONDS] * 1e3, 1);
    show([start - length, start + 2 * length]);
    time.scrollIntoView({ behavior: "smooth" });
  }
  $("search").addEventListener("input", search);
  $("state").addEventListener("change", search);
  document.querySelectorAll("#tasks th button").forEach((button, column) => {
    button.addEventListener("click", () => {
      order = { column, down: order.column === column ? !order.down : column > 2 };
      search();
    });
  });

  search();
  draw();
})();
