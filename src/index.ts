export { type Cancelled, Mesh, type MeshOptions } from './client/mesh.ts';
export type { Circuit } from './domain/circuit.ts';
export { ClawmeshError, type ErrorCode } from './domain/errors.ts';
export type { Handover, HandoverReason } from './domain/handover.ts';
export type { Node, NodeState } from './domain/node.ts';
export type { ErrorKind, HistoryEntry, Task, TaskError, TaskResult, TaskState, Usage } from './domain/task.ts';
export type { Enqueued } from './queue/bullmq/task-producer.ts';
export type { TaskInput } from './queue/new-task.ts';
