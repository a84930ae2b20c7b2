/** Environment variables that the processes of an exec run get, beside what they inherit from the daemon. */
export const RUN_VARIABLES = {
  CLAWMESH_TASK_ID: 'Id of the task.',
  CLAWMESH_ATTEMPT: 'The attempt, from 1.',
  CLAWMESH_HANDOVERS: 'How often the task has been requeued because its node was lost, drained or fenced.',
  CLAWMESH_NODE_ID: 'The node that runs the task.',
  CLAWMESH_RUN: 'Marks the processes of the run, so that the daemon can end all of them.',
} as const;
