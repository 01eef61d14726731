// The talk beside a game: lines as they come, none from before.

const KEEP = 100; // lines on the page
const LOGGED_OUT = 4401;
const chat = document.getElementById("chat");
const lines = chat.querySelector("ol");
const form = chat.querySelector("form");
let socket;
let failures = 0;

function open() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}${chat.dataset.path}`);
  socket.onopen = () => ready(true);
  socket.onmessage = (message) => add(JSON.parse(message.data));
  socket.onclose = (closed) => {
    ready(false);
    if (closed.code === LOGGED_OUT) readOnly();
    setTimeout(open, Math.min(20_000, 300 * 2 ** failures++) * (0.5 + Math.random() / 2));
  };
}

function ready(isOpen) {
  chat.dataset.open = isOpen;
  if (isOpen) failures = 0;
  if (form) form.querySelector("button").disabled = !isOpen;
}

function readOnly() {
  form?.replaceWith("You are logged out: you can read on, but not write.");
}

function add({ name, text }) {
  const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
  const line = document.createElement("li");
  const who = document.createElement("strong");
  who.textContent = name;
  line.append(who, " ", text); // as text: whatever was written stays letters
  lines.append(line);
  while (lines.childElementCount > KEEP) lines.firstElementChild.remove();
  if (isAtEnd) lines.scrollTop = lines.scrollHeight;
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const line = form.querySelector("input");
  if (!line.value.trim() || socket.readyState !== WebSocket.OPEN) return;
  socket.send(line.value);
  line.value = "";
});

document.addEventListener("realtime-close", ({ detail }) => detail.code === LOGGED_OUT && readOnly());
open();
