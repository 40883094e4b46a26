// A viewer on the unmodified browser SDK, under node: prints what an app would get, a JSON object a line.
// SIGUSR2 cuts the connection, as a lost network would.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const [url, stream, encoding] = process.argv.slice(2);
const { Centrifuge } = require(
  encoding === "protobuf" ? `${process.env.CENTRIFUGE}/build/protobuf` : process.env.CENTRIFUGE,
);
const sockets = new Set();
class CuttableSocket extends WebSocketOf() {
  constructor(...args) {
    super(...args);
    sockets.add(this);
    this.addEventListener("close", () => sockets.delete(this));
  }
}

function WebSocketOf() {
  if (globalThis.WebSocket) return globalThis.WebSocket;
  return require("ws");
}

const say = (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);
const text = (data) => (data instanceof Uint8Array ? JSON.parse(new TextDecoder().decode(data)) : data);
const client = new Centrifuge(url, {
  token: process.env.LIVECOMMENTS_TOKEN,
  websocket: CuttableSocket,
  minReconnectDelay: 50,
  maxReconnectDelay: 500,
});
const subscription = client.newSubscription(`stream:${stream}`);
subscription.on("subscribed", ({ wasRecovering, recovered }) => say({ kind: "subscribed", wasRecovering, recovered }));
subscription.on("publication", ({ data }) => say({ kind: "publication", data: text(data) }));
client.on("error", ({ error }) => process.stderr.write(`${JSON.stringify(error)}\n`));
process.on("SIGUSR2", () => sockets.forEach((socket) => socket.close()));
subscription.subscribe();
client.connect();
