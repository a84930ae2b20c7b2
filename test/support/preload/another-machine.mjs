// Loaded into a node with --import: as on a clone of this machine, with the same host name and its own processes and address.

import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';

const kill = process.kill.bind(process);
process.kill = (pid, signal) => {
  if (signal === 0 && pid > 0 && pid !== process.pid) throw Object.assign(new Error('kill ESRCH'), { code: 'ESRCH' });
  return kill(pid, signal);
};
os.networkInterfaces = () => ({ en0: [{ address: `192.0.2.${process.pid % 250}`, family: 'IPv4', internal: false }] });
syncBuiltinESMExports();
