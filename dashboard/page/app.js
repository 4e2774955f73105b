// The page asks for state.json every two seconds and shows what comes. Texts of the
// program, such as keys, are hostile: they become text nodes and nothing else.
"use strict";

const every = 2000; // ms
const svgNamespace = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

// What is asked for. It is kept behind the # of the address, for bookmarks.
const ask = { pool: "", sort: "wait", q: "", top: "20" };

const reasons = { worker: "Worker", place: "Place", slot: "Slot", engine: "Engine" };
const parts = { worker: "worker", place: "place in line", slot: "slot", engine: "engine", delayed: "delay", run: "run" };

// ---- small things

function element(tag, className, ...children) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

function shape(tag, className) {
  const e = document.createElementNS(svgNamespace, tag);
  e.setAttribute("class", className);
  return e;
}

// What stays the same is left alone, so that selections and screen readers are, too.
function setText(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

function setClass(e, name) {
  if (e.className !== name) e.className = name;
}

function setAttribute(e, name, value) {
  if (e.getAttribute(name) !== value) e.setAttribute(name, value);
}

// list has one child for each item, and reuses those that are there.
function list(parent, items, make, fill) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  while (parent.children.length < items.length) parent.append(make());
  items.forEach((item, i) => fill(parent.children[i], item));
}

const whole = new Intl.NumberFormat("en");
const number = (n) => whole.format(n);
const few = (n) => (n < 10 ? n.toFixed(1).replace(/\.0$/, "") : number(Math.round(n)));
const plural = (n, one, many) => `${number(n)} ${n === 1 ? one : many || one + "s"}`;

function duration(ms) {
  if (ms < 1) return "< 1 ms";
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 59.95) return `${s.toFixed(1)} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min ${Math.floor(s % 60)} s`;
  const h = Math.floor(m / 60);
  return h < 48 ? `${h} h ${m % 60} min` : `${Math.floor(h / 24)} d ${h % 24} h`;
}

const since = (state, time) => Math.max(0, Date.parse(state.now) - Date.parse(time));

// title is what a job is called: by its name, and else by its key.
function fillTitle(e, name, key) {
  const [first, second] = name ? [name, key] : [key || "(no key)", ""];
  setText(e.children[0], first);
  setText(e.children[1], second && second !== first ? ` ${second}` : "");
}

const makeTitle = () => element("span", "what", element("span", "key"), element("span", "key muted"));

// ---- over time

const charts = [
  {
    title: "Workers at work", unit: "workers",
    value: (p) => [number(p.running), `of ${number(p.size)}`],
    series: (p) => p.history.busy,
    most: (p) => p.size, // the height of the chart, at least
  },
  {
    title: "Jobs that wait", unit: "jobs",
    value: (p) => [number(p.waiting), p.delayed ? `${number(p.delayed)} of them for their time` : ""],
    series: (p) => p.history.waiting,
  },
  {
    title: "Jobs done a second", unit: "jobs a second",
    value: (p) => [few(lately(perSecond(p, p.history.done), p)), `${number(p.finished)} in all, ${number(p.failed)} failed`],
    series: (p) => perSecond(p, p.history.done),
    bad: (p) => perSecond(p, p.history.failed),
  },
];

// The newest interval is not over, so what was counted in it is not comparable.
const perSecond = (p, counts) => counts.slice(0, -1).map((n) => (n * 1000) / p.history.step_ms);

const mean = (series) => series.reduce((a, b) => a + b, 0) / (series.length || 1);

// lately is the mean of the last ten seconds or so.
const lately = (series, p) => mean(series.slice(-Math.max(1, Math.round(10000 / p.history.step_ms))));

const intervals = 150;
const height = 50;

function makeChart() {
  const plot = shape("svg", "");
  plot.setAttribute("viewBox", `0 0 ${intervals} ${height}`);
  plot.setAttribute("preserveAspectRatio", "none");
  plot.setAttribute("role", "img");
  plot.append(shape("path", "rule"), shape("path", "area"), shape("path", "bad"), shape("path", "edge"));
  plot.firstChild.setAttribute("d", `M0 0.5H${intervals}`);
  return element("figure", "",
    element("figcaption", "", element("span"), element("span", "most")),
    element("p", "value", element("span"), element("small")),
    plot, element("p", "axis", element("span"), element("span", "", "now")));
}

function fillChart(figure, { chart, pool }) {
  const [caption, value, plot, axis] = figure.children;
  const series = chart.series(pool);
  const peak = Math.max(0, ...series);
  const most = Math.max(1, peak, chart.most?.(pool) ?? 0);
  const [figureNow, more] = chart.value(pool);
  const length = pool.history.step_ms * intervals;
  setText(caption.children[0], chart.title);
  setText(caption.children[1], `at most ${few(peak)}`);
  setText(value.children[0], figureNow);
  setText(value.children[1], more ? ` ${more}` : "");
  setText(axis.children[0], `${duration(length)} ago`.replace(" 0 s", ""));
  setAttribute(plot, "aria-label",
    `${chart.title}, the last ${duration(length)}: now ${figureNow}, ${few(mean(series))} on average, ${few(peak)} ${chart.unit} at most`);
  const [, area, bad, edge] = plot.children;
  const left = intervals - series.length;
  const line = steps(series, left, most);
  setAttribute(edge, "d", line);
  setAttribute(area, "d", line && `${line}V${height}H${left}Z`);
  setAttribute(bad, "d", chart.bad ? bars(chart.bad(pool), left, most) : "");
}

const y = (v, most) => (height - 1 - (v / most) * (height - 2)).toFixed(2);

const steps = (series, left, most) =>
  series.map((v, i) => (i === 0 ? `M${left} ${y(v, most)}` : `V${y(v, most)}`) + `H${left + i + 1}`).join("");

const bars = (series, left, most) =>
  series.map((v, i) => (v > 0 ? `M${left + i} ${height}V${y(v, most)}H${left + i + 1}V${height}Z` : "")).join("");

// ---- why jobs wait

// why says what a lane's jobs wait for.
function why(lane, pool) {
  const held = lane.held || 0;
  const of = lane.slot_key && lane.slot_key !== lane.key ? ` of “${lane.slot_key}”` : "";
  const line = lane.in_line ? `; ${plural(lane.in_line, "claim")} in line` : "";
  switch (lane.waits_for) {
    case "slot":
      if (!lane.limit) return `no slot${of} is free; this pool holds ${number(held)}${line}`;
      if (held >= lane.limit) return `this pool holds ${{ 1: "the only slot", 2: "both slots" }[lane.limit] || `all ${number(lane.limit)} slots`}${of}${line}`;
      return `this pool holds ${number(held)} of ${plural(lane.limit, "slot")}${of}, others the rest${line}`;
    case "place":
      return `no place in line is left: ${plural(pool.slots.in_line, "claim")} of other keys ${pool.slots.in_line === 1 ? "waits" : "wait"}`;
    case "engine":
      return "claims fail: see Failures";
  }
  return pool.running >= pool.size ? `all ${plural(pool.size, "worker")} are busy` : "a worker is about to take it";
}

const makeOldest = () => element("li", "", element("span", "chip"), makeTitle(), element("span", "more"), element("span", "age number"));

function fillOldest(e, { lane, state }) {
  const [chip, title, more, age] = e.children;
  setClass(chip, `chip ${lane.waits_for || "worker"}`);
  setText(chip, reasons[lane.waits_for] || reasons.worker);
  fillTitle(title, lane.name, lane.key);
  setText(more, why(lane, state.pool));
  setText(age, duration(since(state, lane.oldest)));
}

// bar shows how a whole is divided.
function fillBar(bar, values) {
  list(bar, Object.keys(values).filter((k) => values[k] > 0), () => element("i"), (e, kind) => {
    setClass(e, kind);
    e.style.flexGrow = values[kind];
  });
}

const makeKey = () => element("li", "", element("i"), element("span"));

function showWhy(state) {
  const waits = state.pool.waits;
  const kinds = Object.keys(reasons).filter((k) => waits[k] > 0);
  $("why-none").hidden = kinds.length > 0;
  $("why-bar").hidden = kinds.length === 0;
  $("oldest-title").hidden = state.pool.oldest.length === 0;
  fillBar($("why-bar"), waits);
  list($("why-legend"), kinds, makeKey, (e, kind) => {
    setClass(e.children[0], kind);
    setText(e.children[1], `${number(waits[kind])} for a${kind === "engine" ? "n engine that answers" : { worker: " worker", place: " place in line", slot: " slot" }[kind]}`);
  });
  list($("oldest"), state.pool.oldest.map((lane) => ({ lane, state })), makeOldest, fillOldest);
}

// ---- lanes

const columns = ["", "Queued", "Running", "Slots", "Longest wait"];

function makeLane() {
  const row = element("tr");
  row.setAttribute("role", "row");
  for (const label of columns) {
    const cell = element("td", label ? "number" : "key");
    cell.setAttribute("role", "cell");
    cell.dataset.label = label;
    row.append(cell);
  }
  const last = element("td", "", element("span", "chip"));
  last.setAttribute("role", "cell");
  row.append(last);
  return row;
}

function fillLane(row, { lane, state }) {
  const [key, queued, running, slots, wait, reason] = row.children;
  setText(key, lane.key || "(no key)");
  setText(queued, number(lane.queued) + (lane.blocked ? ` + ${number(lane.blocked)}` : ""));
  setText(running, number(lane.running));
  setText(slots, lane.limit ? `${number(lane.held || 0)} of ${number(lane.limit)}` : lane.held ? number(lane.held) : "–");
  setText(wait, lane.oldest ? duration(since(state, lane.oldest)) : "–");
  setClass(wait, lane.oldest ? "number" : "number empty");
  const chip = reason.firstChild;
  setClass(chip, `chip ${lane.waits_for || ""}`);
  setText(chip, lane.queued ? reasons[lane.waits_for] || reasons.worker : "");
}

function showLanes(state) {
  const lanes = state.pool.lanes;
  list($("lanes").tBodies[0], lanes.rows.map((lane) => ({ lane, state })), makeLane, fillLane);
  $("lanes").hidden = lanes.rows.length === 0;
  $("lanes-none").hidden = lanes.rows.length > 0;
  setText($("lanes-none"), lanes.total ? `None of ${plural(lanes.total, "lane")} has that in its key.` : "No lane has a job.");
  const shown = lanes.rows.length;
  const of = lanes.matching < lanes.total ? `${number(lanes.matching)} that match, of ${plural(lanes.total, "lane")}` : plural(lanes.total, "lane");
  setText($("lanes-count"), shown < lanes.matching ? `${number(shown)} of ${of}` : of);
  for (const button of $("lanes").querySelectorAll("[data-sort]")) {
    const header = button.parentElement;
    if (button.dataset.sort === ask.sort) setAttribute(header, "aria-sort", ask.sort === "key" ? "ascending" : "descending");
    else header.removeAttribute("aria-sort");
  }
}

// ---- jobs

const makeRow = () => element("li", "", makeTitle(), element("span", "age number"), element("span", "more"));

function showRuns(state) {
  list($("runs"), some("runs", state.pool.runs), makeRow, (e, run) => {
    const [title, age, more] = e.children;
    fillTitle(title, run.name, run.key);
    setText(age, duration(since(state, run.since)));
    const waited = run.waited_for ? `, after a wait for ${{ worker: "a worker", place: "a place in line", slot: "a slot", engine: "the engine" }[run.waited_for]}` : "";
    setText(more, `attempt ${number(run.attempt)}${waited}`);
  });
  $("runs-none").hidden = state.pool.runs.length > 0;
}

function showSlow(state) {
  const used = new Set();
  list($("slow"), some("slow", state.pool.slow), () => element("li", "", makeTitle(), element("span", "age number"), element("div", "bar"), element("span", "more")), (e, job) => {
    const [title, total, bar, more] = e.children;
    fillTitle(title, job.name, job.key);
    setText(total, duration(job.total_ms));
    const values = {};
    for (const kind of Object.keys(parts)) values[kind] = job[`${kind}_ms`];
    fillBar(bar, values);
    bar.setAttribute("aria-hidden", "true");
    const main = Object.keys(parts).filter((k) => values[k] >= 0.5 && values[k] >= job.total_ms / 100);
    main.forEach((k) => used.add(k));
    const where = main.sort((a, b) => values[b] - values[a]).map((k) => `${parts[k]} ${duration(values[k])}`).join(", ");
    setText(more, `${where}${job.attempt > 1 ? `; ${number(job.attempt)} attempts` : ""}${job.error ? `; failed: ${job.error}` : ""}`);
  });
  list($("slow-legend"), Object.keys(parts).filter((k) => used.has(k)), makeKey, (e, kind) => {
    setClass(e.children[0], kind);
    setText(e.children[1], parts[kind]);
  });
  $("slow-none").hidden = state.pool.slow.length > 0;
}

// Of the longer lists a few are shown, until somebody asks for all.
const shortList = 6;
const open = new Set();

function some(id, rows) {
  const button = $(`${id}-all`);
  button.hidden = rows.length <= shortList;
  setText(button, open.has(id) ? "Show fewer" : `Show all ${number(rows.length)}`);
  setAttribute(button, "aria-expanded", String(open.has(id)));
  return open.has(id) ? rows : rows.slice(0, shortList);
}

function toggle(id) {
  if (!open.delete(id)) open.add(id);
  refresh();
}

function showTroubles(id, rows, state) {
  list($(id), some(id, rows), makeRow, (e, row) => {
    const [title, age, more] = e.children;
    fillTitle(title, row.name, row.key || row.slot_key);
    setText(age, `${duration(since(state, row.at))} ago`);
    const times = row.times > 1 ? ` ${number(row.times)} times` : "";
    const attempt = row.attempt ? `, attempt ${number(row.attempt)}` : "";
    const again = row.delay_ms ? `, again after ${duration(row.delay_ms)}` : "";
    setText(more, `${row.what}${times}${attempt}${again}${row.error ? `: ${row.error}` : ""}`);
  });
  $(`${id}-none`).hidden = rows.length > 0;
}

// ---- all of it

function showPools(state) {
  $("pools").hidden = state.pools.length < 2;
  list($("pools"), state.pools, () => {
    const button = element("button");
    button.type = "button";
    button.addEventListener("click", () => change({ pool: button.textContent }));
    return button;
  }, (button, pool) => {
    setText(button, pool.name);
    if (pool.name === state.pool.name) setAttribute(button, "aria-current", "true");
    else button.removeAttribute("aria-current");
  });
  setText($("name"), state.pool.name);
  document.title = `Pool ${state.pool.name}`;
}

function show(state) {
  showPools(state);
  list($("charts"), charts.map((chart) => ({ chart, pool: state.pool })), makeChart, fillChart);
  showWhy(state);
  showLanes(state);
  showRuns(state);
  showSlow(state);
  showTroubles("losses", state.pool.losses, state);
  showTroubles("retried", state.pool.retried, state);
  showTroubles("failures", state.pool.failures, state);
}

function say(text, className) {
  setText($("status"), text);
  setClass(document.body, className);
}

// ---- asking

let timer = 0;
let asking = null; // ends the request that is under way
let paused = false;
let answers = 0; // that were shown, for whoever tests the page

async function refresh() {
  clearTimeout(timer);
  asking?.abort();
  const mine = (asking = new AbortController());
  const address = `state.json?${new URLSearchParams(Object.entries(ask).filter(([, v]) => v))}`;
  $("json").href = address;
  try {
    const answer = await fetch(address, { signal: mine.signal, cache: "no-store" });
    if (!answer.ok) throw new Error((await answer.text()).trim() || `status ${answer.status}`);
    show(await answer.json());
    document.documentElement.dataset.answers = ++answers;
    if (paused) say("Paused", "stopped");
    else say("Live, every 2 s", "");
  } catch (error) {
    if (mine.signal.aborted) return;
    say(`No answer: ${error.message}. Trying again.`, "silent");
  }
  if (!paused && !document.hidden) timer = setTimeout(refresh, every);
}

function change(what) {
  Object.assign(ask, what);
  history.replaceState(null, "", `#${new URLSearchParams(Object.entries(ask).filter(([, v]) => v))}`);
  refresh();
}

function start() {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) if (name in ask) ask[name] = value;
  $("filter").value = ask.q;
  $("top").value = ask.top;
  for (const id of ["runs", "slow", "losses", "retried", "failures"]) $(`${id}-all`).addEventListener("click", () => toggle(id));
  $("ask").addEventListener("submit", (event) => event.preventDefault());
  $("filter").addEventListener("input", () => change({ q: $("filter").value }));
  $("top").addEventListener("change", () => change({ top: $("top").value }));
  $("lanes").addEventListener("click", (event) => {
    const sort = event.target.dataset?.sort;
    if (sort) change({ sort });
  });
  $("pause").addEventListener("click", () => {
    paused = !paused;
    setAttribute($("pause"), "aria-pressed", String(paused));
    refresh();
  });
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  refresh();
}

start();
