// Parts of a page that follow the server. What is heard is a hint to ask how things are now, so what is shown is always
// what the server says, however many news came and in whatever order.

import { unpack } from "./told.js";

const GATHER = 60; // ms in which news share one request, and as much again by chance so that windows do not ask at once

// Returns a function that asks soon; `show` gets what the server answered.
export function following(path, show) {
  let timer = 0;
  let busy = false;

  function soon(delay = GATHER * (1 + Math.random())) {
    timer ||= setTimeout(refresh, delay);
  }

  async function refresh() {
    timer = 0;
    if (busy) return soon();
    busy = true;
    try {
      const answer = await fetch(path);
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      show(unpack(await answer.text()));
    } catch {
      soon(3000 * (1 + Math.random())); // the server is away: what is shown is the last that it said
    } finally {
      busy = false;
    }
  }

  return soon;
}

// What stayed the same is left alone; the focus and the place in a table that is scrolled stay in what changed.
export function renew(part) {
  const old = document.getElementById(part.id);
  if (old.isEqualNode(part)) return;
  const left = old.querySelector(".scroll")?.scrollLeft ?? 0;
  const hadFocus = old.contains(document.activeElement);
  old.replaceWith(part);
  const scroll = part.querySelector(".scroll");
  if (scroll) scroll.scrollLeft = left;
  if (hadFocus) part.querySelector("[tabindex], a")?.focus({ preventScroll: true });
}

// Makes an element like another one and leaves all in it alone that stayed the same: whoever is about to press a button
// presses that one. What has an id is somebody, and is replaced by somebody else.
export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName || old.id !== fresh.id) return old.replaceWith(fresh);
  if (old.nodeType !== Node.ELEMENT_NODE) return void (old.nodeValue = fresh.nodeValue);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
  before.slice(after.length).forEach((node) => node.remove());
  after.forEach((node, place) => (place < before.length ? morph(before[place], node) : old.append(node)));
}

const latest = new Map(); // of each line: the click that it speaks of

// Sends a form as a script does, and shows in `says` what came of it, unless something was clicked meanwhile.
export async function send(form, submitter, says) {
  const click = Symbol();
  latest.set(says, click);
  const { ok, text } = await outcome(form, submitter);
  if (latest.get(says) !== click) return;
  says.dataset.ok = ok;
  says.textContent = text;
}

async function outcome(form, submitter) {
  try {
    const body = new FormData(form, submitter);
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    const wait = answer.headers.get("Retry-After");
    const text = answer.status === 429 ? `The arcade has a limit: wait ${wait} s.` : (await answer.json()).says;
    return { ok: answer.ok, text };
  } catch {
    return { ok: false, text: "The server does not answer. Try again in a moment." };
  }
}
