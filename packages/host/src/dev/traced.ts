/** Commands that are shown: each, or those that did not end well. */
export const traced = ['all', 'errors', 'off'] as const
export type Traced = (typeof traced)[number]
