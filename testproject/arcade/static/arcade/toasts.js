// News for the player on any page: who overtook them, and that they are logged out.

const WHEN = { day: "today", week: "this week", all: "of all time" };
const LASTS = 8000; // ms
const LOGGED_OUT = 4401;
const place = document.querySelector(".toasts");

function toast(key, lasts = LASTS) {
  const toast = document.createElement("div");
  const text = document.createElement("p");
  const close = document.createElement("button");
  toast.className = "toast";
  toast.dataset.key = key;
  close.className = "quiet";
  close.textContent = "×";
  close.setAttribute("aria-label", "Close");
  close.onclick = () => toast.remove();
  toast.append(text, close);
  place.append(toast);
  if (lasts) setTimeout(() => toast.remove(), lasts);
  return text;
}

// One game can overtake in several windows; that is one piece of news.
function overtaken({ player, name, window, points }) {
  const shown = place.querySelector(`[data-key="${player} ${points}"]`);
  if (shown) {
    shown.querySelector(".when").textContent += `, ${WHEN[window]}`;
    return;
  }
  const who = document.createElement("strong");
  const when = document.createElement("span");
  who.textContent = name;
  when.className = "when";
  when.textContent = WHEN[window];
  toast(`${player} ${points}`).append(who, ` overtook you with ${points.toLocaleString("en")} points: `, when);
}

function loggedOut() {
  if (place.querySelector("[data-key=logged-out]")) return;
  const link = document.createElement("a");
  link.href = `/log-in/?next=${encodeURIComponent(location.pathname)}`;
  link.textContent = "Log in again";
  toast("logged-out", 0).append("You are logged out. ", link);
}

realtime.on("user", "overtaken", overtaken);
document.addEventListener("realtime-close", ({ detail }) => detail.code === LOGGED_OUT && loggedOut());
