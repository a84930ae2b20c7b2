import { script } from '../redis/scripts.ts';

const FOLDER = 'registry/lua';

/** Scripts that read or change the node registry, each in one atomic step; see the headers of their files. */
export const scripts = {
  registerNode: script(FOLDER, 'register-node'),
  beatNode: script(FOLDER, 'beat-node'),
  sweepNodes: script(FOLDER, 'sweep-nodes'),
  setDesiredState: script(FOLDER, 'set-desired-state'),
  evictNode: script(FOLDER, 'evict-node'),
  forgetNode: script(FOLDER, 'forget-node'),
  forgetNodes: script(FOLDER, 'forget-nodes'),
  sampleMesh: script(FOLDER, 'sample-mesh'),
};
