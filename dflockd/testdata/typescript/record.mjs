// Runs the steps of scenarios.txt with the official TypeScript client and prints
// the file with what came of each in the second column:
//
//	node record.mjs CLIENT.mjs HOST:PORT < scenarios.txt > recorded.txt
//
// CLIENT.mjs is the client as one JavaScript module. The server needs no secret.
import * as net from "node:net";
import { readFileSync } from "node:fs";

const [client, server] = process.argv.slice(2);
const { DistributedSemaphore, AcquireTimeoutError, AuthError } = await import(client);
const [host, port] = [server.split(":")[0], Number(server.split(":")[1])];
process.on("unhandledRejection", () => {});

const sleep = (s) => new Promise((r) => setTimeout(r, s * 1000));

// word says in a word what went wrong.
function word(err) {
  const m = String(err?.message ?? err);
  if (err === own) return "own";
  if (err instanceof AcquireTimeoutError) return "timeout";
  if (err instanceof AuthError || m.includes("auth failed")) return "auth";
  if (m.includes("already connected")) return "already";
  if (m.includes("not connected") || m.includes("connection closed;")) return "closed";
  if (m.includes("mismatch")) return "mismatch";
  if (m.includes("invalid index")) return "refused";
  return "failed";
}
const own = new Error("the function's own");

// ask sends one request over a connection of its own.
function ask(lines) {
  return new Promise((resolve) => {
    const s = net.createConnection({ host, port }, () => s.write(lines.join("\n") + "\n"));
    s.on("data", (d) => { resolve(d.toString().trim()); s.destroy(); });
  });
}

// text undoes the escapes of a key.
const text = (s) => (s === '""' ? "" : s.replaceAll("\\n", "\n").replaceAll("\\s", " "));

function make(key, args, world, name) {
  const opts = { key, limit: 1, servers: [[host, port]] };
  opts.onLockLost = () => { world.lost[name] = (world.lost[name] ?? 0) + 1; };
  for (const a of args) {
    const [k, v] = a.split("=");
    if (k === "key") opts.key = text(v);
    if (k === "limit") opts.limit = Number(v);
    if (k === "timeout") opts.acquireTimeoutS = Number(v);
    if (k === "lease") opts.leaseTtlS = Number(v);
    if (k === "ratio") opts.renewRatio = Number(v);
    if (k === "servers") opts.servers = v === "none" ? [] : v.split(",").map((x) => x === "here" ? [host, port] : [x.split(":")[0], Number(x.split(":")[1])]);
    if (k === "shard") opts.shardingStrategy = () => Number(v);
    if (k === "host") { delete opts.servers; opts.host = v; opts.port = port; }
    if (k === "auth") opts.auth = text(v);
    if (k === "tls") opts.tls = {};
    if (k === "connect") opts.connectTimeoutMs = Number(v);
    if (k === "socket") opts.socketTimeoutMs = Number(v);
  }
  return new DistributedSemaphore(opts);
}

async function act(s, verb, args, world, name) {
  const force = args.includes("force");
  switch (verb) {
    case "acquire": return String(await s.acquire({ force }));
    case "enqueue": return await s.enqueue({ force });
    case "wait": return String(await s.wait(args.length ? Number(args[0]) : undefined));
    case "release": await s.release(); return "ok";
    case "close": s.close(); return "ok";
    case "token": return s.token ? "set" : "none";
    case "lease": return String(s.lease);
    case "lost": return String(world.lost[name] ?? 0);
    case "run": await s.withLock(async () => {
      if (args[0] === "throw") throw own;
      if (args[0] === "release") await s.release();
      if (args[0] === "steal-throw") { await ask(["sr", s.key, s.token]); throw own; }
    }); return "ok";
    case "steal": return await ask(["sr", s.key, s.token]);
  }
  throw new Error("no such verb: " + verb);
}

async function step(line, key, world) {
  let [name, verb, ...args] = line.split(/\s+/);
  if (name === "sleep") { await sleep(Number(verb)); return "ok"; }
  if (verb === "end") return await world.begun[name];
  try {
    if (verb === "new") { world.made[name] = make(key, args, world, name); return "ok"; }
  } catch { return "refused"; }
  if (verb === "begin") {
    const [v, ...rest] = args;
    world.begun[name] = act(world.made[name], v, rest, world, name).catch(word);
    await sleep(0.1);
    return "ok";
  }
  try { return await act(world.made[name], verb, args, world, name); } catch (err) { return word(err); }
}

let scenarios = 0, world = null;
const end = () => { for (const s of Object.values(world?.made ?? {})) s.close(); };
for (const line of readFileSync(0, "utf8").split("\n")) {
  if (line.startsWith("== ")) {
    end();
    world = { made: {}, begun: {}, lost: {} };
    scenarios++;
    console.log(line);
  } else if (line === "" || line.startsWith("#") || line.startsWith("!")) {
    if (line !== "" || scenarios > 0) console.log(line);
  } else {
    const [what, , here] = line.split("|").map((c) => c.trim());
    const there = await step(what, `typescript-${process.pid}-${scenarios}`, world);
    console.log([what.padEnd(32), there.padEnd(9), here ?? ""].join("| ").trimEnd());
  }
}
end();
process.exit(0);
