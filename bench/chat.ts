import { Mesh } from '../src/client/mesh.ts';
import { CliProcess, writeConfig } from '../test/support/cli.ts';
import { FakeProvider } from '../test/support/fake-provider.ts';
import { GATEWAY_TOKEN, Gateway } from '../test/support/openclaw.ts';
import { SpawnedRedis } from '../test/support/redis.ts';
import { TestChat, writeTo } from '../test/support/test-chat.ts';

// How long a question in a chat takes beside the run itself, with two real OpenClaw gateways: from the message to the
// start of the run on another Mac, and from its end to the gateway's acknowledgement of the answer. Needs
// `scripts/setup openclaw`. `node bench/chat.ts [messages]`

const MESSAGES = Number(process.argv[2] ?? 30);

const server = await SpawnedRedis.start();
const provider = await FakeProvider.start();
const chat = new TestChat();
const configFor = (gateway: string, pool: string) =>
  writeConfig(
    `mesh: chat\nredis: {url: "${server.url}"}\nnode: {pools: {${pool}: 4}}\n` +
      `openclaw: {mode: gateway, gateway: {url: "${gateway}", token: ${GATEWAY_TOKEN}}}\n`,
  );
const config = configFor('ws://127.0.0.1:1', 'default');
const gateways = await Promise.all([
  Gateway.start(provider.baseUrl, { chat: chat.folder, plugin: { config } }),
  Gateway.start(provider.baseUrl),
]);
const nodes = gateways.map((gateway, index) => {
  const args = ['--config', configFor(gateway.url, index === 0 ? 'a' : 'default'), 'node', 'run'];
  return new CliProcess(args, { CLAWMESH_NODE_ID: `mac-${index}` });
});
const mesh = await Mesh.open({ config });
try {
  await Promise.all(nodes.map((node) => node.waitFor(/node is up/)));
  const times: { start: number; acknowledged: number }[] = [];
  // The first message warms up both gateways.
  for (let n = 0; n <= MESSAGES; n++) {
    const askedAt = Date.now();
    await writeTo(gateways[0].url, { from: 'ann', room: `r${n}`, text: `/mesh run PROVIDER SAY answer ${n}` });
    const id = /task ([0-9a-z]{26})/.exec(chat.sent.findLast(({ to }) => to === `room:r${n}`)?.text ?? '')?.[1] ?? '';
    for (;;) {
      const task = await mesh.get(id);
      if (task?.delivery?.state === 'delivered') {
        const [start, end, at] = [task.startedAt, task.finishedAt, task.delivery.at].map((time) =>
          Date.parse(time ?? ''),
        );
        if (n > 0) times.push({ start: (start ?? 0) - askedAt, acknowledged: (at ?? 0) - (end ?? 0) });
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  for (const what of ['start', 'acknowledged'] as const) {
    const sorted = times.map((time) => time[what]).sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))];
    const from = what === 'start' ? 'message to start of the run' : 'end of the run to acknowledged answer';
    console.log(`${from}: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, most ${at(1)} ms (${sorted.length} messages)`);
  }
} finally {
  await mesh.close();
  for (const node of nodes) await node.kill();
  for (const gateway of gateways) await gateway.down();
  await provider.stop();
  await server.stop();
}
