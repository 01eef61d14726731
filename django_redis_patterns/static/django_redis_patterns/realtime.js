/* Topics over one websocket. As a plain script it makes `realtime`:

     realtime.on("user", "order.created", (data) => ...)              one type of event; "user" is whoever is logged in
     realtime.subscribe("orders.7", {event(data, frame), subscribed(), reset(), denied()})    all of a topic
   Both return a function that ends them. realtime.reconnect() closes the socket and makes a new one at once, for a page
   that logs in without being loaded anew. Every event is also a DOM event on document: "realtime:orders.7",
   "realtime:user", with {type, data} as its detail. "realtime-open" and "realtime-close" (detail: {code}) tell of the
   socket. <realtime-topic topic="orders.7" on="order-changed"> fires "order-changed" on itself; it bubbles.

   `subscribed` says that from now on nothing is missed: what the page was rendered with may be older. `denied` says
   that nothing is heard; it may come after `subscribed`, when the page comes back and may not listen any more.
   `reset` (also "realtime-reset" on document, and the type "reset" of an element's event) says that messages may have
   been missed: fetch afresh what they would have told. */
(() => {
  "use strict";
  if (window.realtime?.subscribe) return; // an element with that id is not this client

  const FIRST_WAIT = 300, LONGEST_WAIT = 20000, PING_EVERY = 25000; // milliseconds
  const FINAL = new Set([4400, 4401, 4403, 4409, 4413]); // trying again would end the same way
  const ANSWERS = { subscribed: "pending", denied: "pending", unsubscribed: "leaving" }; // and the state they end
  const script = document.currentScript;
  const url = new URL(script?.dataset.url ?? "/ws/notifications/", location.href);
  url.protocol = url.protocol.replace("http", "ws");

  /* name -> {ears, seen, state}. ears: {listener, on: the socket it was told "subscribed" on, denied: was it told};
     seen: subscribed once, so a second time follows a gap; state, of this socket: undefined (not asked), "pending",
     "subscribed", "denied" or "leaving". While pending or leaving nothing more is asked: one answer at a time. */
  const topics = new Map();
  let socket = null, own = null, timer = null, attempts = 0, unanswered = false, stopped = false;

  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
  const isOpen = () => socket?.readyState === WebSocket.OPEN;
  const send = (frame) => isOpen() && socket.send(JSON.stringify(frame));

  function topic(name) {
    if (!topics.has(name)) topics.set(name, { ears: new Set(), seen: false, state: undefined });
    return topics.get(name);
  }

  function call({ listener }, method, ...args) {
    try {
      listener[method]?.(...args);
    } catch (error) {
      reportError(error);
    }
  }

  function callAll(name, ...args) {
    for (const ear of [...(topics.get(name)?.ears ?? [])]) call(ear, ...args);
  }

  function receive({ data: text }) {
    attempts = 0;
    unanswered = false;
    const frame = JSON.parse(text), { kind, data } = frame;
    if (kind === "subscribed" && /^user\.[^.]+$/.test(frame.topic)) own ??= frame.topic; // comes first, unasked
    const names = frame.topic === own ? ["user", own] : [frame.topic];
    if (kind === "event") {
      for (const name of names) callAll(name, "event", data, frame);
      tell(`realtime:${names[0]}`, { type: frame.type, data });
    } else if (kind === "reset") {
      for (const name of names) callAll(name, "reset");
      tell("realtime-reset", { topic: names[0] });
    } else if (kind === "error") {
      console.warn("realtime:", frame.reason);
    } else {
      for (const name of names) answered(name, kind);
    }
  }

  function answered(name, answer) {
    const it = topics.get(name);
    if (!ANSWERS[answer] || it?.state !== ANSWERS[answer]) return;
    it.state = answer === "unsubscribed" ? undefined : answer;
    if (answer === "subscribed" && it.seen && name !== own) tell("realtime-reset", { topic: name });
    if (answer !== "denied") it.seen = answer === "subscribed";
    inform(name);
    settle(name);
  }

  // Tell each listener what it does not know yet.
  function inform(name) {
    const it = topics.get(name);
    for (const ear of [...(it?.ears ?? [])]) {
      if (it.state === "subscribed" && ear.on !== socket) {
        const follows = ear.on;
        ear.on = socket;
        ear.denied = false;
        call(ear, follows ? "reset" : "subscribed");
      } else if (it.state === "denied" && !ear.denied) {
        ear.denied = true;
        call(ear, "denied");
      }
    }
  }

  // Ask for a topic that somebody listens to, leave one that nobody does. The server joins the user's own by itself.
  function settle(name) {
    const it = topics.get(name);
    if (!it || name === "user" || it.state === "pending" || it.state === "leaving") return;
    if (it.ears.size) {
      if (it.state || !isOpen()) return;
      it.state = "pending";
      send({ kind: "subscribe", topic: name });
    } else if (it.state === "subscribed" && name !== own) {
      it.state = "leaving";
      send({ kind: "unsubscribe", topic: name });
    } else {
      topics.delete(name);
    }
  }

  function connect() {
    clearTimeout(timer);
    timer = null;
    if (socket || stopped) return;
    const mine = (socket = new WebSocket(url));
    mine.onmessage = receive;
    mine.onclose = ({ code }) => lost(code);
    mine.onopen = () => {
      topic("user").state = "pending";
      for (const name of topics.keys()) settle(name);
      tell("realtime-open");
    };
  }

  function lost(code) {
    socket.onmessage = socket.onclose = socket.onopen = null;
    socket = own = null;
    unanswered = false;
    stopped = FINAL.has(code);
    for (const [name, it] of topics) {
      it.state = undefined;
      settle(name);
    }
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** attempts++);
    if (!stopped) timer = setTimeout(connect, Math.random() * longest); // full jitter: no herd after a restart
    tell("realtime-close", { code });
  }

  function drop(code) {
    socket.close();
    lost(code); // the browser would wait for an answer to its close
  }

  function ping() {
    if (!isOpen()) return;
    if (unanswered) return drop(1006);
    unanswered = true;
    send({ kind: "ping" });
  }

  function hurry() {
    if (!timer || document.hidden) return;
    attempts = 0;
    connect();
  }

  function subscribe(name, listener) {
    const it = topic(name), ear = { listener, on: null, denied: false };
    it.ears.add(ear);
    if (it.state === "denied") it.state = undefined; // who was refused before may be let in now
    settle(name);
    queueMicrotask(() => inform(name)); // what is known already
    return () => {
      it.ears.delete(ear);
      queueMicrotask(() => settle(name)); // an element that is moved ends and begins at once
    };
  }

  function on(name, type, listener) {
    return subscribe(name, { event: (data, frame) => frame.type === type && listener(data, frame) });
  }

  class RealtimeTopic extends HTMLElement {
    connectedCallback() {
      const fire = (detail) =>
        this.dispatchEvent(new CustomEvent(this.getAttribute("on"), { bubbles: true, detail }));
      this.end = subscribe(this.getAttribute("topic"), {
        event: (data, frame) => fire({ type: frame.type, data }),
        reset: () => fire({ type: "reset", data: null }),
      });
    }

    disconnectedCallback() {
      this.end();
    }
  }

  function reconnect() {
    if (socket) drop(1000);
    stopped = false;
    attempts = 0;
    connect();
  }

  window.realtime = { on, subscribe, reconnect };
  customElements.define("realtime-topic", RealtimeTopic);
  addEventListener("online", hurry);
  addEventListener("pageshow", hurry);
  document.addEventListener("visibilitychange", hurry);
  setInterval(ping, PING_EVERY);
  connect();
})();
