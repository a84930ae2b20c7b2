// What people would write without clawmesh: a BullMQ worker whose tasks take one turn of the event loop.
import { Worker } from 'bullmq';

const [port, prefix, concurrency] = process.argv.slice(2);
new Worker('default', () => new Promise((resolve) => setTimeout(resolve, 0)), {
  connection: { host: '127.0.0.1', port: Number(port) },
  prefix,
  concurrency: Number(concurrency),
});
