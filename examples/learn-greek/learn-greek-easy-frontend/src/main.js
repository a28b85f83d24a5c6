// Plain modules: the page works as it stands and, smaller, as Vite bundles it.
const list = document.getElementById("words");
const state = document.getElementById("state");

async function review(word, remembered) {
  const answer = await fetch(`/api/v1/words/${word.id}/reviews`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ remembered }),
  });
  state.textContent = answer.ok ? `${word.greek}: noted` : `${word.greek}: ${answer.status}`;
}

function row(word) {
  const item = document.createElement("li");
  const answer = document.createElement("details");
  const question = document.createElement("summary");
  question.textContent = word.greek;
  answer.append(question, word.english);
  for (const [label, remembered] of [["knew it", true], ["did not", false]]) {
    const button = document.createElement("button");
    button.textContent = label;
    button.addEventListener("click", () => review(word, remembered));
    answer.append(" ", button);
  }
  item.append(answer);
  return item;
}

async function show() {
  const answer = await fetch("/api/v1/words");
  if (answer.ok) {
    list.replaceChildren(...(await answer.json()).map(row));
  } else {
    state.textContent = `no words yet (${answer.status}): run "alembic upgrade head" in the back end`;
  }
}

show();
