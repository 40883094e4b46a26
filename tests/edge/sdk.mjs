// The unmodified browser SDK under node, driven line by line: a JSON command in, JSON facts out.
// One client; `cut` loses its connection as a network would.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const [url, encoding] = process.argv.slice(2);
const protobuf = encoding === "protobuf";
const { Centrifuge } = require(
  protobuf ? `${process.env.CENTRIFUGE}/build/protobuf` : process.env.CENTRIFUGE,
);
const sockets = new Set();

class CuttableSocket extends WebSocket {
  constructor(...args) {
    super(...args);
    sockets.add(this);
    this.addEventListener("close", () => sockets.delete(this));
  }
}

const say = (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);
const read = (data) => (data instanceof Uint8Array ? JSON.parse(new TextDecoder().decode(data)) : data);
const write = (value) => (protobuf ? new TextEncoder().encode(JSON.stringify(value)) : value);
const documents = (publications) => publications.map(({ offset, data }) => ({ offset, data: read(data) }));
const subscriptions = new Map();
let client;

const commands = {
  connect({ token, fresh }) {
    client = new Centrifuge(url, {
      websocket: CuttableSocket,
      minReconnectDelay: 20,
      maxReconnectDelay: 200,
      ...(token ? { token } : {}),
      ...(fresh ? { getToken: async () => (say({ kind: "refreshing" }), fresh) } : {}),
    });
    for (const kind of ["connecting", "disconnected"]) {
      client.on(kind, ({ code, reason }) => say({ kind, code, reason }));
    }
    client.on("connected", ({ client: id, data }) => say({ kind: "connected", id, data: read(data) }));
    client.on("error", ({ type, error }) => say({ kind: "error", type, code: error.code }));
    client.connect();
  },
  subscribe({ channel, since }) {
    const subscription = client.newSubscription(channel, since ? { since } : {});
    subscriptions.set(channel, subscription);
    subscription.on("subscribed", (it) =>
      say({
        kind: "subscribed", channel, wasRecovering: it.wasRecovering, recovered: it.recovered,
        position: it.streamPosition,
      }));
    subscription.on("subscribing", ({ code }) => say({ kind: "subscribing", channel, code }));
    subscription.on("unsubscribed", ({ code }) => say({ kind: "unsubscribed", channel, code }));
    subscription.on("publication", ({ data, offset }) =>
      say({ kind: "publication", channel, offset, data: read(data) }));
    subscription.subscribe();
  },
  unsubscribe: ({ channel }) => subscriptions.get(channel).unsubscribe(),
  publish: ({ channel, data }) => client.publish(channel, write(data)),
  presence: ({ channel }) => client.presence(channel),
  presenceStats: ({ channel }) => client.presenceStats(channel),
  rpc: ({ method }) => client.rpc(method, write({})),
  history: async ({ channel, ...options }) => {
    const { publications, offset, epoch } = await client.history(channel, options);
    return { publications: documents(publications), offset, epoch };
  },
  cut: () => sockets.forEach((socket) => socket.close()),
  reconnect: () => client.connect(),
  disconnect: () => client.disconnect(),
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { id, name, ...rest } = JSON.parse(line);
  try {
    say({ kind: "done", id, result: (await commands[name](rest)) ?? null });
  } catch (error) {
    say({ kind: "failed", id, code: error.code, message: error.message, temporary: error.temporary });
  }
}).on("close", () => process.exit(0));
