// The locks, live. What is heard is a hint to ask how things are now, so what is shown is always what the server says.

import { following, renew, send } from "./live.js";

const LOOK = 5000; // ms after which a held lock is looked at, whatever was heard: its holder may be on another server
const READ = 9000; // ms after which what was said is gone
const NEWS = {
  entered: (who) => `${who} is in.`,
  left: (who) => `${who} left.`,
  vanished: (who) => `${who} vanished with the lock.`,
  "put out": (who) => `${who} was put out.`,
  expired: (who) => `The time of ${who} is up.`,
  closing: (who) => `${who} is closing the season.`,
  closed: (who) => `${who} closed the season.`,
};
const gate = document.querySelector(".gate");
const news = document.getElementById("news");
const isStill = matchMedia("(prefers-reduced-motion: reduce)");

const silences = new Map();

let shown = performance.now();

const soon = following(gate.dataset.rows, show);

function show(fresh) {
  const before = positions();
  for (const part of [...fresh.children]) renew(part);
  shown = performance.now();
  arm();
  if (isStill.matches) return;
  for (const [seat, to] of positions()) glide(to, before.get(seat));
}

// First, last, invert, play: who moves up starts where they stood, and whoever is let in walks into the booth.
function glide(to, from) {
  const timing = { duration: 550, easing: "cubic-bezier(.2, .9, .3, 1.1)" };
  if (!from) return to.face.animate([{ opacity: 0, transform: "translateX(2rem)" }, {}], timing);
  const moved = `translate(${from.x - to.x}px, ${from.y - to.y}px) scale(${from.width / to.width})`;
  if (from.x !== to.x || from.y !== to.y) to.face.animate([{ transform: moved, transformOrigin: "0 0" }, {}], timing);
}

function positions() {
  const found = new Map();
  for (const seat of document.querySelectorAll("[data-seat]")) {
    const face = seat.querySelector(".face");
    const { x, y, width } = face.getBoundingClientRect();
    found.set(seat.dataset.seat, { face, x: x + scrollX, y: y + scrollY, width });
  }
  return found;
}

// The buttons stay where they are while all else is replaced, so they are told whom they are about.
function arm() {
  const { fence, vanished } = document.getElementById("turnstile").dataset;
  for (const form of gate.querySelectorAll("[data-about-holder]")) {
    const isOver = fence === "0" || (form.dataset.aboutHolder === "alive" && vanished !== undefined);
    form.elements.fence.value = fence;
    form.querySelector("button").setAttribute("aria-disabled", isOver);
  }
  const close = document.querySelector(".season form");
  if (close) close.elements.season.value = document.getElementById("seasons").dataset.season;
}

async function act(event) {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  if (button.getAttribute("aria-disabled") === "true") return;
  const says = form.closest("section").querySelector(".says");
  await send(form, button, says);
  clearTimeout(silences.get(says));
  silences.set(says, setTimeout(() => says.replaceChildren(), READ));
  soon(0);
}

function tick() {
  const passed = (performance.now() - shown) / 1000;
  for (const place of document.querySelectorAll("[data-since]")) {
    place.textContent = Math.floor(Number(place.dataset.since) + passed);
  }
  if (passed * 1000 > LOOK && document.getElementById("turnstile").dataset.fence !== "0") soon(0);
}

const follow = {
  event(data, { type }) {
    if (type in NEWS) news.textContent = NEWS[type](data.name ?? data.by);
    soon();
  },
  subscribed: () => soon(0), // somebody may have come since the page was made
  reset: () => soon(),
};

realtime.subscribe("locks.turnstile", follow);
realtime.subscribe("locks.season", {
  ...follow,
  event(data, about) {
    document.querySelector(".season").toggleAttribute("data-closing", about.type === "closing");
    follow.event(data, about);
  },
});
for (const form of document.querySelectorAll("main form")) form.addEventListener("submit", act);
setInterval(tick, 500);
arm();
