// The streams room, live: the log, those who read it, and what became of those that were killed.

import { following, morph, send } from "./live.js";

const LOOK = 400; // ms between two looks while events are on their way, and ten times as much while none is
const NEWS = {
  won: ({ name, badge }) => `${name} won a badge: ${badge}.`,
  killed: ({ what }) => `${what} was killed.`,
};
const panel = document.querySelector("[data-rows]");
const says = panel.querySelector(".says");
const news = document.getElementById("news");
let shown = performance.now();

const soon = following(panel.dataset.rows, (fresh) => {
  const before = document.getElementById("tape").dataset.newest;
  for (const part of [...fresh.children]) morph(document.getElementById(part.id), part);
  for (const cell of document.querySelectorAll(".log i")) cell.classList.toggle("new", isAfter(cell.dataset.id, before));
  shown = performance.now();
});

function isAfter(id, other) {
  const [[ms, number], [before, last]] = [id, other || "0-0"].map((one) => one.split("-").map(Number));
  return ms > before || (ms === before && number > last);
}

setInterval(() => {
  const pause = LOOK * (document.querySelector("[data-moving]") ? 1 : 10);
  if (!document.hidden && performance.now() - shown > pause) soon(0);
}, 200);

realtime.subscribe("streams.plays", {
  event(data, { type }) {
    if (type in NEWS) news.textContent = NEWS[type](data);
    soon();
  },
  subscribed: () => soon(0), // something may have happened since the page was made
  reset: () => soon(),
});

document.addEventListener("submit", async (event) => {
  if (!event.target.closest("main")) return;
  event.preventDefault();
  await send(event.target, event.submitter, says);
  soon(0);
});
