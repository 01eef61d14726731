// Quick draw. The server deals the waits and judges the times; here is only the light, the press and the clock.

import { unpack } from "./told.js";

const REST = 800; // ms between a round's end and the next darkness
const game = document.getElementById("game");
const stage = game.querySelector(".stage");
const [prompt, detail] = stage.querySelectorAll(".prompt, .detail");
const rounds = game.querySelectorAll(".rounds li");
const says = document.getElementById("says");
const outcome = game.querySelector(".outcome");
const sound = document.getElementById("sound");
const ROUNDS = Number(game.dataset.rounds);
const FASTEST = Number(game.dataset.fastest);
const SLOWEST = Number(game.dataset.slowest);
const isPlayer = "start" in game.dataset;

let whenPressed = () => {};
const press = () => new Promise((resolve) => (whenPressed = resolve));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function show(state, title, more = "") {
  stage.dataset.state = state;
  prompt.textContent = title;
  detail.textContent = more;
  says.textContent = `${title} ${more}`;
}

async function play() {
  const dealt = await deal();
  if (!dealt) return show("idle", "Try again", "Press to start");
  rounds.forEach((_, number) => mark(number, "", "–", "not played"));
  const times = [];
  for (const wait of dealt.waits) {
    const ms = await round(wait);
    mark(times.length, ms === null ? "miss" : "hit", ms ?? "×", ms === null ? "no hit" : `${ms} milliseconds`);
    times.push(ms);
    await pause(REST);
  }
  await finish(dealt.id, times);
}

async function round(wait) {
  show("wait", "Wait for it…");
  if (await Promise.race([press(), pause(wait)])) return foul("Too soon!", "That one does not count");
  stage.dataset.state = "go";
  prompt.textContent = "Now!";
  const lit = await new Promise(requestAnimationFrame);
  beep();
  const pressed = await Promise.race([press(), pause(SLOWEST)]);
  if (!pressed) return foul("Too late", "It got away");
  const ms = Math.round(pressed - lit);
  if (ms < FASTEST) return foul("A guess!", `${ms} ms is not human`);
  if (ms > SLOWEST) return foul("Too late", "It got away");
  show("hit", `${ms} ms`, praise(ms));
  return ms;
}

function foul(title, more) {
  show("miss", title, more);
  return null;
}

function praise(ms) {
  if (ms < 200) return "Lightning!";
  if (ms < 260) return "Very quick";
  return ms < 350 ? "Good" : "A bit sleepy";
}

function mark(number, kind, text, spoken) {
  rounds[number].className = kind;
  rounds[number].textContent = text;
  rounds[number].setAttribute("aria-label", `Round ${number + 1}: ${spoken}`);
}

async function deal() {
  if (isPlayer) return (await post(game.dataset.start))?.json();
  const [least, most] = game.dataset.waits.split(" ").map(Number);
  return { waits: Array.from({ length: ROUNDS }, () => least + Math.random() * (most - least)) };
}

async function finish(id, times) {
  const points = times.reduce((sum, ms) => sum + (ms === null ? 0 : 1000 - ms), 0);
  if (!points) outcome.textContent = "Not one hit: nothing to score. Wait until you see it, then press.";
  else if (isPlayer) {
    const answer = await post(game.dataset.finish, { id, times });
    if (answer) outcome.replaceChildren(unpack(await answer.text()));
  } else visit(points);
  show("idle", points ? `${points.toLocaleString("en")} points` : "No hits", "Press to play again");
}

function visit(points) {
  const result = document.getElementById("visitor").content.cloneNode(true);
  result.querySelector("strong").textContent = points.toLocaleString("en");
  outcome.replaceChildren(result);
}

// Returns the answer, or nothing after having said why.
async function post(path, content = {}) {
  const headers = { "X-CSRFToken": game.querySelector("[name=csrfmiddlewaretoken]").value };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(content) });
    if (answer.ok) return answer;
    if (answer.status === 401 || answer.status === 422) outcome.replaceChildren(unpack(await answer.text()));
    else if (answer.status === 429) outcome.textContent = `Slow down, player: try again in ${answer.headers.get("Retry-After")} seconds.`;
    else outcome.textContent = answer.status === 503 ? "Redis is away for a moment. Try again soon." : "That did not work. Reload the page.";
  } catch {
    outcome.textContent = "The arcade does not answer. Try again soon.";
  }
}

// A tone with the light, for ears that are quicker than eyes, and for who cannot see it.
let speaker;
function beep() {
  if (!speaker) return;
  const tone = speaker.createOscillator();
  tone.type = "square";
  tone.frequency.value = 880;
  tone.connect(speaker.destination);
  tone.start();
  tone.stop(speaker.currentTime + 0.09);
}

sound.onclick = () => {
  speaker = speaker ? void speaker.close() : new AudioContext();
  sound.setAttribute("aria-pressed", Boolean(speaker));
  sound.textContent = `Sound: ${speaker ? "on" : "off"}`;
};

let isPlaying = false;
async function act(event) {
  event.preventDefault();
  if (isPlaying) return whenPressed(event.timeStamp);
  isPlaying = true;
  stage.focus();
  await play().finally(() => (isPlaying = false));
}

stage.addEventListener("pointerdown", (event) => event.button === 0 && act(event));
stage.addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && (event.repeat ? event.preventDefault() : act(event)));
// Screen readers and voice control click without pointer or key.
stage.addEventListener("click", (event) => event.detail === 0 && act(event));
