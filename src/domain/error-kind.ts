interface ErrorRule {
  /** One sentence: what has failed. */
  readonly means: string;
  /** Whether another attempt could succeed. */
  readonly retryable: boolean;
  /** Whether the task is reassigned to another node first, which uses up no attempt. */
  readonly reassigned: boolean;
  /**
   * What the run shows about the provider, for its circuit: that it serves requests (`ok`), that it limits them
   * (`rate_limit`), that it may be failing (`provider`), or nothing (`unsure`).
   */
  readonly seen: 'ok' | 'rate_limit' | 'provider' | 'unsure';
}

/** Why a run failed, and what the mesh does about it; the names are part of the public contract. */
export const ERROR_RULES = {
  auth: {
    means: 'The provider refused the login of the node, or OpenClaw has none.',
    retryable: false,
    reassigned: true,
    seen: 'unsure',
  },
  invalid: {
    means: 'The task itself is wrong: no attempt can succeed.',
    retryable: false,
    reassigned: false,
    seen: 'ok',
  },
  rate_limit: {
    means: 'The provider limits requests, or the quota of the account is used up.',
    retryable: true,
    reassigned: false,
    seen: 'rate_limit',
  },
  provider: { means: 'The provider failed.', retryable: true, reassigned: false, seen: 'provider' },
  timeout: { means: 'The run had not ended by its deadline.', retryable: true, reassigned: false, seen: 'unsure' },
  crash: { means: 'The run ended without a result.', retryable: true, reassigned: false, seen: 'unsure' },
  handover_limit: {
    means: 'The task was lost with its node more often than `queue.maxHandovers`.',
    retryable: false,
    reassigned: false,
    seen: 'unsure',
  },
  cancelled: { means: 'An operator or a program cancelled it.', retryable: false, reassigned: false, seen: 'unsure' },
  unknown: { means: 'Anything else.', retryable: true, reassigned: false, seen: 'unsure' },
} as const satisfies Readonly<Record<string, ErrorRule>>;

export type ErrorKind = keyof typeof ERROR_RULES;
export const ERROR_KINDS = Object.keys(ERROR_RULES) as [ErrorKind, ...ErrorKind[]];
