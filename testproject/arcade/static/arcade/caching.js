// The caching room, live: the picture of the herd, and the counts.

import { following, renew, send } from "./live.js";

const LOOK = 1000; // ms between two looks while a herd is on its way, and five times as much while none is
const NEWS = {
  preparing: "Visitors get ready.",
  sent: "They are on their way.",
  makes: "One makes the page.",
  made: "The page is made.",
  invalidated: "The page was invalidated while it was made.",
  killed: "The process of the one who made it was killed.",
};
const panel = document.querySelector("[data-rows]");
const says = panel.querySelector(".says");
const news = document.getElementById("news");
let shown = performance.now();

const soon = following(panel.dataset.rows, (fresh) => {
  const wasMoving = isMoving();
  for (const part of [...fresh.children]) renew(part);
  shown = performance.now();
  if (wasMoving && !isMoving()) settle();
});

function isMoving() {
  return Boolean(document.querySelector("[data-moving]"));
}

// All are back: what the picture shows is said in words.
function settle() {
  says.replaceChildren();
  news.textContent = document.querySelector(".plot")?.getAttribute("aria-label") ?? "";
}

setInterval(() => {
  const pause = LOOK * (isMoving() ? 1 : 5);
  if (!document.hidden && performance.now() - shown > pause) soon(0);
}, 250);

realtime.subscribe("caching.herd", {
  event(_, { type }) {
    if (type in NEWS) news.textContent = NEWS[type];
    soon();
  },
  subscribed: () => soon(0), // a herd may have been sent since the page was made
  reset: () => soon(),
});

panel.querySelector("form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  await send(event.target, event.submitter, says);
  soon(0);
});
