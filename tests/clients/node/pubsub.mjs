// Publish and subscribe with node-redis, and keyspace notifications.
// Usage: node pubsub.mjs <url or unix socket path> <2|3>. Ends with status 0 and prints "ok" when every promise held.

import assert from "node:assert/strict";
import { createClient } from "redis";

const [where, protocol] = process.argv.slice(2);
const options = { RESP: Number(protocol), socket: { reconnectStrategy: false } };
if (where.startsWith("redis://"))
  options.url = where;
else
  options.socket.path = where;

const publisher = createClient(options);
const listener = createClient(options);
for (const client of [publisher, listener])
  client.on("error", (error) => { console.error(error); process.exitCode = 1; });
await publisher.connect();
await listener.connect();

// What arrives, in order; `arrived(n)` waits for so many.
const log = [];
let wake = () => {};
const note = (kind) => (message, channel) => { log.push([kind, channel, message]); wake(); };
async function arrived(count) {
  while (log.length < count)
    await new Promise((resolve) => { wake = resolve; });
  return log.splice(0);
}

await listener.subscribe(["news", "weather"], note("message"));
await listener.pSubscribe("n*", note("pmessage"));
await listener.sSubscribe("news", note("smessage"));
assert.equal(await publisher.publish("news", "one"), 2);
assert.equal(await publisher.sPublish("news", "two"), 1);
assert.equal(await publisher.publish("weather", "three"), 1);
assert.equal(await publisher.publish("nobody", "four"), 1);
assert.deepEqual(await arrived(5), [
  ["message", "news", "one"],
  ["pmessage", "news", "one"],
  ["smessage", "news", "two"],
  ["message", "weather", "three"],
  ["pmessage", "nobody", "four"],
]);
assert.deepEqual((await publisher.pubSubChannels()).sort(), ["news", "weather"]);
assert.deepEqual({ ...await publisher.pubSubNumSub(["news", "none"]) }, { news: 1, none: 0 });
assert.equal(await publisher.pubSubNumPat(), 1);

// A RESP3 connection may do other things meanwhile.
if (protocol === "3") {
  assert.equal(await listener.set("k", "v"), "OK");
  assert.equal(await listener.publish("weather", "mine"), 1);
  assert.deepEqual(await arrived(1), [["message", "weather", "mine"]]);
}
assert.ok(await listener.ping("x"));

await listener.unsubscribe("weather");
await listener.pUnsubscribe();
assert.equal(await publisher.publish("weather", "five"), 0);

// Many, and large ones.
const large = "x".repeat(100_000);
const numbers = Array.from({ length: 2000 }, (_, number) => String(number));
await Promise.all(numbers.map((number) => publisher.publish("news", number)));
await Promise.all(numbers.slice(0, 20).map(() => publisher.publish("news", large)));
const received = (await arrived(2020)).map(([, , message]) => message);
assert.deepEqual(received.slice(0, 2000), numbers);
assert.ok(received.slice(2000).every((message) => message === large));

// What happens to keys.
await publisher.configSet("notify-keyspace-events", "KEA");
await listener.pSubscribe("__key*", note("pmessage"));
await publisher.set("counter", "1");
await publisher.del("counter");
assert.deepEqual(await arrived(4), [
  ["pmessage", "__keyspace@0__:counter", "set"],
  ["pmessage", "__keyevent@0__:set", "counter"],
  ["pmessage", "__keyspace@0__:counter", "del"],
  ["pmessage", "__keyevent@0__:del", "counter"],
]);
await publisher.configSet("notify-keyspace-events", "");

await listener.unsubscribe();
await listener.pUnsubscribe();
await listener.sUnsubscribe();
assert.deepEqual(await publisher.pubSubChannels(), []);
assert.equal(await listener.get("none"), null);
await listener.close();
await publisher.close();
console.log("ok");
