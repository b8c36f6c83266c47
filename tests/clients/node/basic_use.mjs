// What an application does with node-redis first: connect, strings, keys, pipelines, errors, scanning, several databases.
// Usage: node basic_use.mjs, with the words of options.mjs. Ends with status 0 and prints "ok" when every promise held.

import assert from "node:assert/strict";
import { createClient } from "redis";
import { clientOptions } from "./options.mjs";

const client = createClient({ ...clientOptions(), name: "node-test" });
client.on("error", (error) => { console.error(error); process.exitCode = 1; });
await client.connect();

assert.equal(await client.ping(), "PONG");
assert.equal(await client.clientGetName(), "node-test");

// Strings.
assert.equal(await client.set("k", "v"), "OK");
assert.equal(await client.get("k"), "v");
assert.equal(await client.get("missing"), null);
assert.equal(await client.set("k", "w", { condition: "NX" }), null);
assert.equal(await client.set("k", "w", { expiration: { type: "EX", value: 100 }, GET: true }), "v");
assert.ok(await client.ttl("k") > 90);
assert.equal(await client.append("k", "x"), 2);
assert.equal(await client.incrBy("n", 5), 5);
assert.equal(Number(await client.incrByFloat("n", 0.5)), 5.5);
assert.equal(await client.mSet({ a: "1", b: "2" }), "OK");
assert.deepEqual(await client.mGet(["a", "missing", "b"]), ["1", null, "2"]);
assert.equal(await client.getDel("a"), "1");
const unusual = "\u0000\r\n\u00fc\u{1f600}".repeat(1000);
await client.set("unusual", unusual);
assert.equal(await client.get("unusual"), unusual);

// Keys.
assert.equal(await client.exists(["k", "b", "missing"]), 2);
assert.equal(await client.type("k"), "string");
assert.equal(await client.expire("b", 100), 1);
assert.equal(await client.persist("b"), 1);
assert.equal(await client.rename("b", "c"), "OK");
assert.deepEqual(await client.keys("c"), ["c"]);
assert.equal(await client.del("c"), 1);

// Many at once: node-redis sends them as one pipeline.
const numbers = Array.from({ length: 2000 }, (_, number) => number);
await Promise.all(numbers.map((number) => client.set(`key:${number}`, String(number))));
assert.deepEqual(await Promise.all(numbers.map((number) => client.get(`key:${number}`))), numbers.map(String));

const found = new Set();
for await (const keys of client.scanIterator({ MATCH: "key:*", COUNT: 100 }))
  for (const key of Array.isArray(keys) ? keys : [keys])
    found.add(key);
assert.equal(found.size, 2000);

// Errors arrive as errors and leave the connection usable.
await assert.rejects(client.incr("k"), /value is not an integer or out of range/);
await assert.rejects(client.sendCommand(["NOSUCH", "a"]), /unknown command 'NOSUCH', with args beginning with: 'a'/);

// Server.
assert.match(await client.info("server"), /redis_version:\d/);
assert.deepEqual({ ...await client.configGet("maxmemory-policy") }, { "maxmemory-policy": "noeviction" });
assert.ok(await client.dbSize() > 2000);
const other = client.duplicate({ database: 3 });
await other.connect();
assert.equal(await other.dbSize(), 0);
await other.close();
assert.equal(await client.flushAll(), "OK");
await client.close();
console.log("ok");
