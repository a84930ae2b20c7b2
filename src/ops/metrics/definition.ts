/** One metric; the reference page of metrics is generated from these. */
export interface MetricDefinition {
  readonly name: `clawmesh_${string}`;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Beside the labels that all metrics have. */
  readonly labels: readonly string[];
  /** Upper limits of a histogram's buckets, s. */
  readonly buckets?: readonly number[];
}

/** The names of a metric's labels. */
export type LabelOf<M extends MetricDefinition> = M['labels'][number];

/** A definition as prom-client takes it. */
export function optionsOf<M extends MetricDefinition>({ name, help, labels }: M) {
  return { name, help, labelNames: [...labels] as LabelOf<M>[] };
}
