/**
 * What devices and workloads count besides operations.
 *
 * @module
 */

/** What was counted, by name: whole numbers that are added up over threads, domains and devices. */
export type Counters = Readonly<Record<string, number>>;

/** The sum of each name over all records; a record without it counts as 0. */
export function addUp(records: readonly Counters[]): Counters {
  const names = new Set(records.flatMap((record) => Object.keys(record)));
  return Object.fromEntries([...names].map((name) => {
    return [name, records.reduce((total, record) => total + (record[name] ?? 0), 0)];
  }));
}
