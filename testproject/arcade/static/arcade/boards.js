// Boards that follow the server. A move that is heard of is a hint to ask for the rows again, so what is shown is
// always what the server says, however many moves came and in whatever order.

import { ordinal, unpack } from "./told.js";

const TOPIC = "boards.quick-draw";
const WHEN = { day: "today", week: "this week", all: "of all time" };
const GATHER = 80; // ms in which moves share one request, and as much again by chance so that windows do not ask at once
const place = document.getElementById("boards");
const says = place.insertAdjacentElement("afterend", document.createElement("p"));
const isStill = matchMedia("(prefers-reduced-motion: reduce)");
says.className = "unseen";
says.setAttribute("role", "status");

let moves = [];
let timer = 0;
let busy = false;

function soon(delay = GATHER * (1 + Math.random())) {
  timer ||= setTimeout(refresh, delay);
}

async function refresh() {
  timer = 0;
  if (busy) return soon();
  busy = true;
  const heard = moves;
  moves = [];
  try {
    const answer = await fetch(place.dataset.rows);
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    show(unpack(await answer.text()), heard);
  } catch {
    soon(3000 * (1 + Math.random())); // the server is away: what is shown is the last that it said
  } finally {
    busy = false;
  }
}

function show(fresh, heard) {
  const before = place.firstElementChild;
  const left = before.scrollLeft;
  const tops = positions(before);
  before.replaceWith(fresh);
  fresh.scrollLeft = left;
  const movers = new Set(heard.map((move) => String(move.player)));
  for (const [key, { row, top }] of positions(fresh)) {
    if (movers.has(row.dataset.player)) row.classList.add("moved");
    if (!isStill.matches) glide(row, tops.get(key)?.top, top);
  }
  announce(heard.filter((move) => document.getElementById(move.window)));
}

// First, last, invert, play: each row starts where it was and goes where it belongs.
function glide(row, from, to) {
  const timing = { duration: 600, easing: "cubic-bezier(.2, .9, .3, 1.15)" };
  if (from === undefined) row.animate([{ opacity: 0, transform: "translateX(2rem)" }, {}], timing);
  else if (from !== to) row.animate([{ transform: `translateY(${from - to}px)` }, {}], timing);
}

function positions(boards) {
  const found = new Map();
  for (const board of boards.querySelectorAll(".board")) {
    const start = board.getBoundingClientRect().top;
    for (const row of board.querySelectorAll(".row")) {
      found.set(`${board.id} ${row.dataset.player}`, { row, top: row.getBoundingClientRect().top - start });
    }
  }
  return found;
}

function announce(heard) {
  const players = new Set(heard.map((move) => move.player));
  const last = heard.at(-1);
  if (players.size > 1) says.textContent = `${players.size} players moved.`;
  else if (last) says.textContent = `${last.name} is now ${ordinal(last.new)} ${WHEN[last.window]} with ${last.points} points.`;
}

realtime.subscribe(TOPIC, {
  event(move, { type }) {
    if (type === "moved") moves.push(move);
    soon();
  },
  subscribed: () => soon(0), // somebody may have moved since the page was made
  reset: () => soon(),
});
