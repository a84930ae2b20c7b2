import { setTimeout as sleep } from 'node:timers/promises';
import { Mesh } from '../src/client/mesh.ts';
import { CliProcess, writeConfig } from '../test/support/cli.ts';
import { FakeProvider } from '../test/support/fake-provider.ts';
import { GATEWAY_TOKEN, Gateway } from '../test/support/openclaw.ts';
import { SpawnedRedis } from '../test/support/redis.ts';
import { seeded } from '../test/support/seeded.ts';
import { TestChat } from '../test/support/test-chat.ts';

// Answers into a chat that two gateways have, while nodes, gateways and Redis are killed at random: how many are lost,
// and how many arrive twice. Needs `scripts/setup openclaw`. `node bench/chat-chaos.ts [answers] [seed]`

const ANSWERS = Number(process.argv[2] ?? 300);
/** How long things are killed, and then waited for the rest, ms. */
const [KILLS_MS, REST_MS] = [240_000, 420_000];
const random = seeded(Number(process.argv[3] ?? 1));

const server = await SpawnedRedis.start();
const provider = await FakeProvider.start();
const chat = new TestChat();
// Each message takes a while, so that kills hit messages under way.
chat.control({ delayMs: 2_000 });
const gateways = await Promise.all([
  Gateway.start(provider.baseUrl, { chat: chat.folder }),
  Gateway.start(provider.baseUrl, { chat: chat.folder }),
]);
const config = writeConfig(`mesh: chaos\nredis: {url: "${server.url}"}\n`);
const nodes = new Map<string, CliProcess>();
const startNode = async (name: string, settings: string) => {
  const file = writeConfig(`mesh: chaos\nredis: {url: "${server.url}"}\nnode: {pools: {default: 4}}\n${settings}`);
  const node = new CliProcess(['--config', file, 'node', 'run'], { CLAWMESH_NODE_ID: name });
  nodes.set(name, node);
  await node.waitFor(/node is up/);
};
// The tasks are simulated on a node of their own, so that only the deliveries depend on the gateways.
const deliverer = (index: number) =>
  startNode(
    `mac-${index}`,
    `nodes: {mac-${index}: {pools: {idle: 1}}}\nopenclaw: {mode: gateway, gateway: {url: "${gateways[index]?.url}", token: ${GATEWAY_TOKEN}}}\n`,
  );
const worker = () => startNode('worker', 'openclaw: {mode: simulate}\n');
await Promise.all([deliverer(0), deliverer(1), worker()]);

const mesh = await Mesh.open({ config });
const deliver = { channel: 'testchat', to: 'room:dev' };
await mesh.enqueue(Array.from({ length: ANSWERS }, (_, n) => ({ message: `answer ${n}`, deliver })));
const kills = { node: 0, gateway: 0, redis: 0 };
const arrived = () => new Set(chat.sent.map(({ text }) => text)).size;
const startedAt = Date.now();
while (arrived() < ANSWERS && Date.now() - startedAt < KILLS_MS) {
  await sleep(4_000 + random() * 4_000);
  const [what, index] = [random(), random() < 0.5 ? 0 : 1];
  if (what < 0.5) {
    kills.node += 1;
    await nodes.get(`mac-${index}`)?.kill();
    await deliverer(index);
  } else if (what < 0.8) {
    kills.gateway += 1;
    await gateways[index]?.down();
    await gateways[index]?.up();
  } else {
    kills.redis += 1;
    await server.down();
    await server.up();
  }
}
// An answer that was being sent by a killed node waits until its reservation has lapsed.
const calmAt = Date.now();
while (arrived() < ANSWERS && Date.now() - calmAt < REST_MS) await sleep(1_000);
// What is repeated late would arrive now.
await sleep(15_000);
const counts = [...Map.groupBy(chat.sent, ({ text }) => text).values()].map((same) => same.length);
const twice = counts.filter((count) => count > 1).length;
console.log(`${ANSWERS} answers, killed: ${JSON.stringify(kills)}, ${Math.round((Date.now() - startedAt) / 1_000)} s`);
console.log(`lost: ${ANSWERS - counts.length}, sent twice: ${twice}`);
await mesh.close();
for (const node of nodes.values()) await node.kill();
for (const gateway of gateways) await gateway.down();
await provider.stop();
await server.stop();
