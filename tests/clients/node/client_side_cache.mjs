// node-redis keeps copies of what it reads (clientSideCache, RESP3) and drops them when the server tells it to.
// Usage: node client_side_cache.mjs <url or unix socket path>. Ends with status 0 and prints "ok" when every promise held.

import assert from "node:assert/strict";
import { createClient, BasicClientSideCache } from "redis";

const [where] = process.argv.slice(2);
const options = (more) => ({
  RESP: 3,
  ...(where.startsWith("redis://") ? { url: where } : {}),
  socket: { reconnectStrategy: false, ...(where.startsWith("redis://") ? {} : { path: where }) },
  ...more,
});

async function open(more = {}) {
  const client = createClient(options(more));
  client.on("error", (error) => { console.error(error); process.exitCode = 1; });
  await client.connect();
  return client;
}

// Until a promise holds: an invalidation takes its time from the server to here.
async function until(holds, what) {
  for (let i = 0; i < 2000; i++) {
    if (await holds())
      return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`in vain: ${what}`);
}

const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 0 });
const reader = await open({ clientSideCache: cache });
const writer = await open();

// What was read is not asked for again.
await writer.set("k", "1");
assert.equal(await reader.get("k"), "1");
const misses = cache.stats().missCount;
for (let i = 0; i < 10; i++)
  assert.equal(await reader.get("k"), "1");
assert.equal(cache.stats().missCount, misses);
assert.ok(cache.stats().hitCount >= 10);

// A change by somebody else, of every kind.
await writer.set("k", "2");
await until(async () => await reader.get("k") === "2", "a change is seen");
await writer.del("k");
await until(async () => await reader.get("k") === null, "a deletion is seen");
await writer.mSet({ k: "3", l: "3" });
await until(async () => await reader.get("k") === "3", "a key that is new is seen");
await writer.set("k", "4", { expiration: { type: "PX", value: 20 } });
await until(async () => await reader.get("k") === null, "an expiry is seen");
await writer.multi().set("k", "5").set("l", "5").exec();
await until(async () => await reader.get("k") === "5" && await reader.get("l") === "5", "a transaction is seen");
await writer.flushAll();
await until(async () => await reader.get("k") === null && await reader.get("l") === null, "flushing is seen");

// A change of one's own.
await reader.set("k", "6");
await until(async () => await reader.get("k") === "6", "an own change is seen");

// Many at once.
const keys = Array.from({ length: 500 }, (_, number) => `key:${number}`);
await Promise.all(keys.map((key) => reader.get(key)));
await Promise.all(keys.map((key) => writer.set(key, key)));
await until(async () => (await Promise.all(keys.map((key) => reader.get(key)))).every((value, i) => value === keys[i]),
  "many changes are seen");

await reader.close();
await writer.close();
console.log("ok");
