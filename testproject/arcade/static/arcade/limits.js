// The rate limit machine. The server decides and counts; here is only the picture: blocks that drift out of the window,
// cells that free up, and how long that takes.

import { unpack } from "./told.js";

const form = document.getElementById("limits");
const says = form.querySelector(".says");
const LIMIT = Number(form.dataset.limit);
const PERIOD = Number(form.dataset.period) * 1000; // ms
const LOOK = 500; // ms between two looks while something is not free
const ROWS = 5; // blocks above each other before they start at the bottom again
const isStill = matchMedia("(prefers-reduced-motion: reduce)");
const lanes = new Map([...document.querySelectorAll(".lane")].map((lane) => [lane.dataset.algorithm, lane]));

let looking = 0;
let resetsAt = new Map();
let freesAt = new Map();

for (const lane of lanes.values()) {
  lane.querySelector(".cells").replaceChildren(...Array.from({ length: LIMIT }, () => document.createElement("i")));
  fill(lane, Number(lane.dataset.remaining));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const button = event.submitter;
  press(button.name === "over" ? form.dataset.over : form.dataset.hit, button.value);
});

async function press(path, times) {
  const body = new FormData(form);
  body.set("times", times);
  try {
    const answer = await fetch(path, { method: "POST", body });
    if (answer.ok) return show(JSON.parse(unpack(await answer.text()).textContent), path === form.dataset.hit);
    const wait = answer.headers.get("Retry-After");
    says.textContent = answer.status === 429 ? `The arcade has a limit too: wait ${wait} s.` : "That did not work. Reload the page.";
  } catch {
    says.textContent = "The arcade does not answer. Try again soon.";
  }
}

function show(readings, wasHit) {
  const passed = [];
  for (const [algorithm, reading] of Object.entries(readings)) {
    const lane = lanes.get(algorithm);
    if (wasHit) reading.hits.forEach((isIn, number) => drop(lane, isIn, number));
    else lane.querySelectorAll(".block").forEach((block) => block.remove());
    if (wasHit && reading.hits.includes(false)) shake(lane);
    stand(lane, reading);
    passed.push(`${lane.querySelector("h2").textContent}: ${reading.hits.filter(Boolean).length} of ${reading.hits.length}`);
  }
  says.textContent = wasHit ? `Got through. ${passed.join(", ")}.` : "All limits start afresh.";
}

// How a lane stands: what is left, and when more of it is free.
function stand(lane, { remaining, frees, resets }) {
  const now = performance.now();
  fill(lane, remaining);
  resetsAt.set(lane, now + resets);
  freesAt.set(lane, remaining ? 0 : now + frees);
  looking ||= setTimeout(look, LOOK);
}

function fill(lane, remaining) {
  lane.querySelector("strong").textContent = remaining;
  lane.classList.toggle("denied", remaining === 0);
  lane.querySelectorAll(".cells i").forEach((cell, number) => cell.classList.toggle("free", number < remaining));
  lane.style.setProperty("--level", (LIMIT - remaining) / LIMIT);
}

async function look() {
  looking = 0;
  try {
    const answer = await fetch(form.dataset.look);
    if (answer.ok) Object.entries(await answer.json()).forEach(([algorithm, reading]) => settle(lanes.get(algorithm), reading));
  } catch {
    looking = setTimeout(look, 3000); // the server is away: what is shown is the last that it said
  }
}

// As `stand`, but a lane that is all free again is left alone.
function settle(lane, reading) {
  if (reading.remaining < LIMIT) return stand(lane, reading);
  fill(lane, LIMIT);
  resetsAt.delete(lane);
  freesAt.delete(lane);
}

function drop(lane, isIn, number) {
  const block = document.createElement("i");
  block.className = isIn ? "block" : "block refused";
  block.style.setProperty("--row", number % ROWS);
  drift(lane, block);
}

function drift(lane, thing) {
  const tape = lane.querySelector(".tape");
  tape.append(thing);
  const easing = isStill.matches ? `steps(${(2 * PERIOD) / 1000})` : "linear";
  const way = thing.animate([{}, { transform: `translateX(-${tape.clientWidth}px)` }], { duration: 2 * PERIOD, easing });
  way.onfinish = () => thing.remove();
}

function shake(lane) {
  lane.classList.remove("shaken");
  void lane.offsetWidth; // so that it shakes again
  lane.classList.add("shaken");
}

// The clocks of all lanes, a few times a second.
setInterval(() => {
  const now = performance.now();
  for (const lane of lanes.values()) {
    const [frees, resets] = [freesAt.get(lane) ?? 0, resetsAt.get(lane) ?? 0].map((at) => Math.max(0, at - now));
    const text = frees ? `one in ${seconds(frees)}` : resets ? `all in ${seconds(resets)}` : "all free";
    lane.querySelector(".frees").textContent = text;
    if (lane.dataset.shape === "fixed") frame(lane, resets);
  }
}, 100);

// The fixed window is as old as what is left of it says; where it began, a line drifts along.
function frame(lane, left) {
  const age = left ? PERIOD - left : 0;
  lane.style.setProperty("--age", `${(50 * age) / PERIOD}%`);
}

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
