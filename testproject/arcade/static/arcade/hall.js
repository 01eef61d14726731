// The hall of fame, live: when a record falls it is counted anew, and every open page has it.

import { following, send } from "./live.js";

const AGAIN = 300; // ms until it is asked again, should another process still have had its copy
const place = document.getElementById("live");
const says = document.querySelector(".says");
let expected = 0;

const soon = following(place.dataset.rows, (fresh) => {
  const isNew = fresh.dataset.record !== document.getElementById("hall").dataset.record;
  document.getElementById("hall").replaceWith(fresh);
  fresh.classList.toggle("fresh", isNew);
  if (Number(fresh.dataset.record) < expected) soon(AGAIN);
});

realtime.subscribe("caching.hall", {
  event({ name, points }) {
    expected = Math.max(expected, points);
    says.textContent = `${name} broke the record with ${points.toLocaleString("en")} points: the hall is counted anew.`;
    soon();
  },
  reset: () => soon(),
});
realtime.subscribe("locks.season", {
  event(_, { type }) {
    if (type === "closed") soon();
  },
});

document.querySelector(".controls form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.target, event.submitter, says);
});
