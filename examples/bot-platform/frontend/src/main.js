// Plain modules: the page works as it stands and, smaller, as Vite bundles it.
const api = import.meta.env?.VITE_API_URL ?? "/api";

async function showPlayers() {
  const players = await (await fetch(`${api}/players`)).json();
  document.getElementById("players").replaceChildren(
    ...players.map((player) => {
      const item = document.createElement("li");
      item.textContent = `${player.name}: ${player.wins}`;
      return item;
    }),
  );
}

function listen() {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
  socket.addEventListener("message", ({ data }) => {
    const item = document.createElement("li");
    item.textContent = data;
    document.getElementById("events").prepend(item);
    showPlayers();
  });
  socket.addEventListener("close", () => setTimeout(listen, 1000));
}

showPlayers();
listen();
