// How a test program is told to reach the server: <url or unix socket path> <2|3> [<ca> <certificate> <key>], the files for
// a rediss:// url.

import { readFileSync } from "node:fs";

export const [where, protocol, ...files] = process.argv.slice(2);

export function clientOptions() {
  const options = { RESP: Number(protocol), socket: { reconnectStrategy: false } };
  if (where.startsWith("redis"))
    options.url = where;
  else
    options.socket.path = where;
  if (files.length) {
    const [ca, cert, key] = files.map((file) => readFileSync(file));
    Object.assign(options.socket, { tls: true, ca, cert, key });
  }
  return options;
}
