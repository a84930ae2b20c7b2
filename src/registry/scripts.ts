import { readScript } from '../redis/scripts.ts';

const script = (name: string) => readScript(new URL('./lua/', import.meta.url), name);

/** What changes who is there, each in one atomic step; see the header of its file. */
export const scripts = {
  registerNode: script('register-node'),
  beatNode: script('beat-node'),
  sweepNodes: script('sweep-nodes'),
  evictNode: script('evict-node'),
  forgetNode: script('forget-node'),
  forgetNodes: script('forget-nodes'),
  sampleMesh: script('sample-mesh'),
};
