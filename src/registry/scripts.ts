import { readScript } from '../redis/scripts.ts';

const script = (name: string) => readScript(new URL('./lua/', import.meta.url), name);

/** Scripts that read or change the node registry, each in one atomic step; see the headers of their files. */
export const scripts = {
  registerNode: script('register-node'),
  beatNode: script('beat-node'),
  sweepNodes: script('sweep-nodes'),
  setDesiredState: script('set-desired-state'),
  evictNode: script('evict-node'),
  forgetNode: script('forget-node'),
  forgetNodes: script('forget-nodes'),
  sampleMesh: script('sample-mesh'),
};
