// What the server answers to a script: HTML, and at its end the panel "What Redis was told".

export function unpack(html) {
  const answer = document.createElement("template");
  answer.innerHTML = html;
  replacePanel(answer.content.querySelector(".told"));
  return answer.content.firstElementChild;
}

function replacePanel(fresh) {
  const panel = document.querySelector(".told");
  if (!fresh || !panel) return;
  fresh.open = panel.open;
  panel.replaceWith(fresh);
}

export function ordinal(rank) {
  const kind = new Intl.PluralRules("en", { type: "ordinal" }).select(rank);
  return rank + { one: "st", two: "nd", few: "rd", other: "th" }[kind];
}
