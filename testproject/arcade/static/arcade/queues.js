// The queues room, live: how far the report is, what waits, who works, and what is dead.

import { following, morph, send } from "./live.js";

const LOOK = 400; // ms between two looks while there is something to do, and ten times as much while there is not
const NEWS = {
  ordered: ({ by }) => `${by} ordered a season report.`,
  written: ({ by }) => `The report for ${by} is written.`,
  killed: ({ pid }) => `Process ${pid} was killed.`,
};
const panel = document.querySelector("[data-rows]");
const news = document.getElementById("news");
let shown = performance.now();

const soon = following(panel.dataset.rows, (fresh) => {
  for (const part of [...fresh.children]) morph(document.getElementById(part.id), part);
  shown = performance.now();
});

setInterval(() => {
  const pause = LOOK * (document.querySelector("[data-moving]") ? 1 : 10);
  if (!document.hidden && performance.now() - shown > pause) soon(0);
}, 200);

// What is pushed is drawn at once; the look that follows shows all the rest.
function advance({ report, chapter, written }) {
  const bar = document.querySelector(`#report .bar[data-report="${report}"]`);
  if (!bar) return;
  bar.setAttribute("aria-valuenow", written);
  bar.firstElementChild.style.setProperty("--part", `${Math.round((100 * written) / bar.ariaValueMax)}%`);
  document.querySelector("#report .chapter").textContent = `Writing: ${chapter}`;
}

for (const queue of ["reports", "errands"]) {
  realtime.subscribe(`queues.${queue}`, {
    event(data, { type }) {
      if (type === "progress") advance(data);
      if (type in NEWS) news.textContent = NEWS[type](data);
      soon();
    },
    subscribed: () => soon(0), // something may have happened since the page was made
    reset: () => soon(),
  });
}

document.addEventListener("submit", async (event) => {
  if (!event.target.closest("main")) return;
  event.preventDefault();
  const says = (event.submitter ?? event.target).closest("section")?.querySelector(".says") ?? panel.querySelector(".says");
  await send(event.target, event.submitter, says);
  soon(0);
});
