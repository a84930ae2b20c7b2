export interface Rule {
  readonly wrong: RegExp;
  readonly better: string;
}

/** Where a rule is wrong: in a whole file, or for certain words in one. At most a dozen. */
export interface Exception {
  readonly file: string;
  readonly found?: string;
  readonly why: string;
}

export const EXCEPTIONS: readonly Exception[] = [
  { file: 'CHANGELOG.md', why: 'names what was renamed' },
  { file: 'scripts/prose/rules.ts', why: 'holds the rules' },
  { file: 'test/scripts/prose.test.ts', why: 'holds samples' },
];

/** Names that are gone, matched everywhere: in code, in prose, and in what prose quotes as code. */
export const OLD_NAMES: readonly Rule[] = [
  { wrong: /\bNodeLife\b/, better: 'NodeRuntime' },
  { wrong: /\bheldUntil\b/, better: 'reservedUntil' },
  { wrong: /\bholdMs\b/, better: 'adoptionWindowMs' },
  { wrong: /\breleaseHold\b/, better: 'endReservation' },
  { wrong: /#asking\b|\b(?:class|interface) Asking\b/, better: 'ClaimRequest, #inFlight' },
  { wrong: /\b\w*[pP]uts?Back\b/, better: 'requeue' },
  { wrong: /\b\w*[hH]and(?:s|ed)?Back\b/, better: 'release' },
  { wrong: /\bpass(?:es)?On\b/, better: 'reassign (a claim), forwardWakeup' },
  { wrong: /\bSettlement\b/, better: 'ReportResult' },
  { wrong: /\bsettleDeaths\b/, better: 'clearDeaths' },
  { wrong: /\b(?:class|interface) (?:Running|Upkeep)\b/, better: 'RunSet' },
  { wrong: /\bSurroundings\b/, better: 'NodeProbe' },
  { wrong: /\blookAround\b/, better: 'sampleMesh' },
  { wrong: /\bGatewayMedic\b/, better: 'GatewayRestarter' },
  { wrong: /\bLoginWatch\b/, better: 'AuthBackoff' },
  { wrong: /\bMeshLink\b/, better: 'NodeBackend' },
  { wrong: /\b[nN]udge\w*/, better: 'notify' },
  { wrong: /\brelease-homeless\b|\bhomeless\b/, better: 'release-sticky' },
  { wrong: /\bstandingTroubles?\b/, better: 'AlertCondition' },
  { wrong: /\b(?:class|interface) (?:Problem|Trouble|Unfitness|Explanation|Diagnosis)\b/, better: 'Finding' },
  { wrong: /\bfillIn\b/, better: 'renderMessage' },
  { wrong: /\btakeDown\b/, better: 'crashForDrill' },
  { wrong: /\bwithinTime\b/, better: 'waitAtMost' },
  { wrong: /\btakeHeld\b/, better: 'claimHeld' },
  { wrong: /\bclaim-codes\b/, better: 'result-codes' },
  { wrong: /\bparting-words\b/, better: 'connection-refusal' },
  { wrong: /\bqueue\.keep\b/, better: 'queue.retention' },
  { wrong: /\boldSigningKey\b/, better: 'previousSigningKey' },
  { wrong: /\bminProbe\b/, better: 'minProbeInterval' },
  { wrong: /\bqueue-old\b/, better: 'queue-latency' },
];

/**
 * Matched in prose only, as whole words in upper or lower case; a space stands for any white space. Only what is wrong nearly
 * everywhere: a phrase that is often right is for a reader to judge.
 */
export const PHRASES: readonly Rule[] = [
  { wrong: /(?:put|puts|putting) (?:it |them |a task |tasks |the task )?back(?! in line)/, better: 'requeue' },
  { wrong: /(?:hand|hands|handed|handing) (?:it |them )?back/, better: 'release' },
  { wrong: /(?:former|previous|earlier|next|later|another|each|fenced) (?:life|lives)/, better: 'incarnation' },
  { wrong: /void claims?/, better: 'orphaned claim' },
  { wrong: /(?:session['’]s|its|the) home(?! (?:folder|directory|of))/, better: 'sticky node' },
  { wrong: /wish(?:es)?/, better: 'desired state' },
  {
    wrong: /(?:go|goes|going|went|gone) on(?! (?:the|a|an|this|that|its|their|one|top)\b)/,
    better: 'resume, continue',
  },
  { wrong: /anew/, better: 'again' },
  { wrong: /so many(?! (?:as|that))/, better: 'what the number counts' },
  { wrong: /so long(?! (?:as|that))/, better: 'what the time is for' },
  { wrong: /whoever/, better: 'the caller, any node' },
  { wrong: /some(?:body|one)(?:['’]s)?/, better: 'a node, an operator, another program' },
  { wrong: /nobody(?:['’]s)?/, better: 'no node, no caller, no user' },
  { wrong: /in vain/, better: 'timed out, without success' },
  { wrong: /what is there|what others/, better: 'a noun' },
  {
    wrong: /(?:say|says|said|knows?|known|hears?|tells?|told|wants?|wanted|desired|stored|written|asked|sees?) of it/,
    better: 'about it, or a noun',
  },
  { wrong: /for ever/, better: 'forever' },
  { wrong: /where there (?:is|are|was|were)/, better: 'if there is' },
  { wrong: /where that (?:is|was)/, better: 'if that is' },
  {
    wrong: /where (?:it|they|this|that) (?:can|could|may|might|must|does|do|did|has|have|had)(?:n['’]t)?/,
    better: 'if it can',
  },
  {
    wrong:
      /(?:undefined|null|none|nothing|empty|true|false|0|only|even|also|except|unless)[,;]? where (?:it|they|this|that) (?:is|are|was|were)/,
    better: 'if it is',
  },
];
