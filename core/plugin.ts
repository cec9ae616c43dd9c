/**
 * What a plugin is: plain data and one function, the default export of a module whose import does nothing.
 *
 * The runner reads the data (name, options, permissions); `create` runs only inside the domain that the plugin belongs
 * to, with options that have passed the schema.
 *
 * @module
 */

import type { z } from "./schema.ts";
import type { BlockDevice } from "./block_device.ts";
import type { Counters } from "./counters.ts";
import { DeviceError, PluginError, WorkloadError } from "./errors.ts";
import { importFailure } from "./import_failure.ts";
import type { NotificationPolicy, PolicyContext } from "./notification.ts";
import type { PermissionNeeds } from "./permission_needs.ts";
import type { Phases } from "./phases.ts";
import { definitionMistakes } from "./plugin_definition.ts";
import type { Workload } from "./workload.ts";

export type { PermissionNeeds, SystemNeeds } from "./permission_needs.ts";

/** Version of the interfaces in this folder that a plugin was written for. */
export const API_VERSION = "iddr/v1";

/** What every plugin says of itself. */
export interface PluginBase<Kind extends string, Schema extends z.ZodType> {
  /** {@link API_VERSION} */
  readonly apiVersion: typeof API_VERSION;
  /** What it plugs into. */
  readonly kind: Kind;
  /** Its name in labels, and for a built-in in scenarios: lower-case letters, digits and hyphens. */
  readonly name: string;
  /** One sentence. */
  readonly description: string;
  /** Strict schema of the options, of zod 4. What it makes of them must be plain data: they are sent as JSON. */
  readonly options: Schema;
  /** What its domain may touch beyond shared memory; nothing when absent. */
  permissions?(options: z.output<Schema>): PermissionNeeds;
}

/** A notification policy. */
export interface PolicyPlugin<Schema extends z.ZodType = z.ZodType> extends PluginBase<"policy", Schema> {
  /** Makes the policy of one thread. */
  create(options: z.output<Schema>, context: PolicyContext): NotificationPolicy;
}

/** What the person who runs a scenario has agreed to. */
export interface Consent {
  /** Paths whose content may be destroyed, as `DevicePlugin.destroys` names them; links are not followed. */
  readonly allowDestructive: readonly string[];
  /** Whether that holds even where something is on them; else only for what is blank. */
  readonly force: boolean;
  /** Programs that may be run, as `WorkloadPlugin.runs` names them. */
  readonly allowCommands: readonly string[];
}

/** Nothing may be destroyed, and no program be run that a scenario names. */
export const NO_CONSENT: Consent = { allowDestructive: [], force: false, allowCommands: [] };

/** What a device's domain is there to be told. */
export interface DeviceContext {
  /**
   * Tells the person something about the device that is no error: that a path is a partition, or what is done without.
   * It stands in the result and below the table, each text once. Not for the hot path.
   */
  note(text: string): void;
}

/** What a device's domain is there to be told while the device is made. */
export interface CreateContext extends DeviceContext {
  /** Shows that the domain lives. A `create` that waits for something calls it at least once a second. */
  alive(): void;
}

/** What the hypervisor is told of the run that its machine is for. */
export interface MachineContext extends DeviceContext, Consent {
  /** A folder for this run alone, removed after it; null unless the plugins' permissions ask for it. */
  readonly scratchDirectory: string | null;
}

/** What the hypervisor tells a device plugin when it opens the medium. */
export interface MediumContext extends MachineContext {
  /**
   * Zeroed memory for the medium, which every driver of it can be handed, in whatever domain it is. Memory that was made
   * otherwise reaches workers alone.
   *
   * @throws {RangeError} when there is not so much
   */
  allocate(byteLength: number): SharedArrayBuffer;
  /**
   * Says that the medium contains this open file descriptor, a number of the operating system's: drivers that are
   * processes inherit it under the same number. It stays the plugin's, to be closed by `closeMedium`.
   */
  inherit(descriptor: number): void;
}

/** A device. */
export interface DevicePlugin<Schema extends z.ZodType = z.ZodType, Medium = unknown>
  extends PluginBase<"device", Schema> {
  /**
   * True if its device may complete requests by events (`BlockDevice.listen`), as one of promises does: its thread is
   * then set up for them. A device that does so without it is refused.
   */
  readonly events?: boolean;
  /** Names of the counters that its device returns, each with one sentence; the workload must have none of them. */
  readonly counters?: Readonly<Record<string, string>>;
  /**
   * Paths whose present content is lost or changed when a cell with this device runs, and which were not made for that.
   * Nothing runs before the person has agreed to each of them, so name them as the scenario does. None when absent.
   */
  destroys?(options: z.output<Schema>): readonly string[];
  /**
   * What its driver may touch, where that is less than `permissions` has: the rest is for the hypervisor, to open the
   * medium. A driver that is a process gets this alone. All of `permissions` when absent.
   */
  driverPermissions?(options: z.output<Schema>): PermissionNeeds;
  /**
   * Opens what outlives a driver: runs in the hypervisor. What it returns must be plain data with memory and descriptors
   * of the context's ({@link MediumContext.allocate}, {@link MediumContext.inherit}) in it.
   *
   * @throws {DeviceError} when that is impossible
   */
  openMedium(options: z.output<Schema>, context: MediumContext): Medium;
  /**
   * Opens the same medium once more, for the driver that takes over when the present one dies: runs in the hypervisor,
   * before the present one begins. Linux tells of a failed write-back once to each opening of a file; so the failure of a
   * flush is not lost with the driver that it was told to. That holds for the page cache: what a disk says of its own
   * cache it says once, to whoever asked. Without `openAgain`, a flush in whose midst a driver died is answered as failed.
   *
   * @throws {DeviceError} when that is impossible
   */
  openAgain?(medium: Medium, options: z.output<Schema>, context: MediumContext): Medium;
  /**
   * Lets go of what {@link openMedium} or {@link openAgain} opened: runs in the hypervisor, once no driver uses it. Where
   * a domain cannot be ended it is not called, and the medium goes with the process.
   */
  closeMedium?(medium: Medium): void;
  /** Makes the device on its medium: runs in the driver domain. */
  create(options: z.output<Schema>, medium: Medium, context: CreateContext): BlockDevice;
}

/** What a filter's domain is there to be told while the filter is made. */
export interface FilterContext extends CreateContext {
  /** Which filter of its device it is, from 0, nearest to the application: its own place in `BlockRequest.marks`. */
  readonly layer: number;
}

/** A filter: a device made of another, which requests pass on their way to that one. It has no medium. */
export interface FilterPlugin<Schema extends z.ZodType = z.ZodType> extends PluginBase<"filter", Schema> {
  /** True if it completes requests by events where the device below does not; see {@link DevicePlugin.events}. */
  readonly events?: boolean;
  /** Names of what it counts, each with one sentence; nothing else of the cell must have any of them. */
  readonly counters?: Readonly<Record<string, string>>;
  /**
   * Makes the filter in front of a device: runs in the domain that drives this one. What it makes answers for `next`, too:
   * it closes that, counts what that counts, and completes what that completes. `passThrough` does so.
   */
  create(options: z.output<Schema>, next: BlockDevice, context: FilterContext): BlockDevice;
}

/** What a workload's conductor is given. */
export interface ConductContext extends Phases, DeviceContext {
  /** A folder for this run alone, the same that the workload is given; null unless the permissions ask for it. */
  readonly scratchDirectory: string | null;
}

/** What a workload needs of its queues. */
export interface WorkloadNeeds {
  /** Slots of each thread's queue: operations in flight, 1 to 512. */
  readonly queueDepth: number;
  /** Whether there may be more slots than the ring has entries: operations then wait for one. Else that is a mistake. */
  readonly exceedsRing?: boolean;
  /** Bytes in each slot's buffer: the longest transfer, at least 512. */
  readonly transferBytes: number;
  /** Threads, each with a queue of its own, 1 to 256; 1 when absent. */
  readonly threads?: number;
  /** The longest time that `conduct` may take, in nanoseconds; after it the repetition has failed. */
  readonly conductNs?: number;
}

/** A workload. */
export interface WorkloadPlugin<Schema extends z.ZodType = z.ZodType> extends PluginBase<"workload", Schema> {
  /** Names of the counters that it returns, each with one sentence; expectations can compare these alone. */
  readonly counters?: Readonly<Record<string, string>>;
  /**
   * Those of `counters` that tell how well it went, each with a heading: tables show them. What they count is told by
   * their names: `…Ns` times, `…BytesPerSecond` bytes a second (shown in MB/s), all others numbers.
   */
  readonly figures?: Readonly<Record<string, string>>;
  /** True if it watches descriptors, such as sockets: its thread then sleeps by a system call that sees them. */
  readonly descriptors?: boolean;
  /**
   * What its conductor has lost or changed that was not made for that, such as another server's export: as a device's
   * `destroys`.
   */
  destroys?(options: z.output<Schema>): readonly string[];
  /**
   * Programs that it runs because its options name them, as they name them: all but those that it always runs. Nothing
   * runs before the person has agreed to each of them. None when absent.
   */
  runs?(options: z.output<Schema>): readonly string[];
  /**
   * What its domain may touch, where that is less than `permissions` has: the rest is for its conductor. A domain that is a
   * process gets this alone. All of `permissions` when absent.
   */
  applicationPermissions?(options: z.output<Schema>): PermissionNeeds;
  /** What its queues must have. */
  needs(options: z.output<Schema>): WorkloadNeeds;
  /**
   * What goes on outside of the workload's thread while that works, such as programs that use what it serves: runs in
   * the hypervisor, whose thread has an event loop. Where there is one, it and not the scenario's `run` decides when the
   * measured window begins and ends.
   *
   * @returns figures of its own for the result, among those that `counters` names
   * @throws anything: the cell then fails with its message. It must have undone what it did by then
   */
  conduct?(options: z.output<Schema>, context: ConductContext): Promise<Counters>;
  /** Makes the workload: runs in the application domain. */
  create(options: z.output<Schema>): Workload;
}

/** Any plugin. */
export type Plugin = PolicyPlugin | DevicePlugin | FilterPlugin | WorkloadPlugin;
/** What a plugin plugs into. */
export type PluginKind = Plugin["kind"];

/** Where the plugins are that scenarios may name: kind, then name, then the URL of the module. It may have no filters. */
export type PluginTable =
  & Readonly<Record<Exclude<PluginKind, "filter">, Readonly<Record<string, string>>>>
  & { readonly filter?: Readonly<Record<string, string>> };

/** Defines a policy. As every `definePlugin`, it returns its argument: it is there for the types. */
export function definePlugin<Schema extends z.ZodType>(plugin: PolicyPlugin<Schema>): PolicyPlugin<Schema>;
/** Defines a device. */
export function definePlugin<Schema extends z.ZodType, Medium>(
  plugin: DevicePlugin<Schema, Medium>,
): DevicePlugin<Schema, Medium>;
/** Defines a filter. */
export function definePlugin<Schema extends z.ZodType>(plugin: FilterPlugin<Schema>): FilterPlugin<Schema>;
/** Defines a workload. */
export function definePlugin<Schema extends z.ZodType>(plugin: WorkloadPlugin<Schema>): WorkloadPlugin<Schema>;
export function definePlugin(plugin: Plugin): Plugin {
  return plugin;
}

/** The plugins of one kind. */
export type PluginOf<Kind extends PluginKind> = Extract<Plugin, { kind: Kind }>;

/**
 * Imports a plugin's module and checks what it is.
 *
 * @param kind what it must plug into
 * @param url the module: an absolute URL, or `npm:package@range`
 * @throws {PluginError} when the module cannot be loaded or is not a plugin of this kind and version
 */
export async function loadPlugin<Kind extends PluginKind>(kind: Kind, url: string): Promise<PluginOf<Kind>> {
  let module: { default?: unknown };
  try {
    module = await import(url);
  } catch (cause) {
    throw new PluginError(`Cannot load the ${kind} ${url}: ${importFailure(url, cause)}`, { cause });
  }
  const mistakes = definitionMistakes(kind, API_VERSION, module.default);
  if (mistakes.length > 0) throw new PluginError(`${url} is no ${kind} for ${API_VERSION}: ${mistakes.join("; ")}`);
  return module.default as PluginOf<Kind>;
}

/**
 * The paths whose content a device or a workload would destroy.
 *
 * @throws {PluginError} when the plugin does not say it with a list of texts: what cannot be read must not pass for none
 */
export function destroyedPaths(plugin: DevicePlugin | WorkloadPlugin, options: unknown): readonly string[] {
  return plugin.destroys === undefined ? [] : textsOf(plugin, "destroys", plugin.destroys(options), "paths");
}

/**
 * The programs that a workload would run because its options name them; a device runs none.
 *
 * @throws {PluginError} when the plugin does not say it with a list of texts: what cannot be read must not pass for none
 */
export function programsRun(plugin: DevicePlugin | WorkloadPlugin, options: unknown): readonly string[] {
  if (plugin.kind !== "workload" || plugin.runs === undefined) return [];
  return textsOf(plugin, "runs", plugin.runs(options), "programs");
}

/** What a plugin says of itself, if it is a list of texts. */
function textsOf({ kind, name }: Plugin, does: string, said: unknown, allowed: string): readonly string[] {
  if (!Array.isArray(said) || said.some((text) => typeof text !== "string" || text === "")) {
    throw new PluginError(
      `The ${kind} ${name} says that it ${does} ${JSON.stringify(said)}; allowed is a list of ${allowed}`,
    );
  }
  return said;
}

/**
 * Makes sure that nothing is destroyed which the person has not agreed to lose, and no program run without consent.
 *
 * @throws {DeviceError} when something would be destroyed
 * @throws {WorkloadError} when a program would be run
 */
export function checkConsent(plugin: DevicePlugin | WorkloadPlugin, options: unknown, consent: Consent): void {
  const refused = destroyedPaths(plugin, options).filter((path) => !consent.allowDestructive.includes(path));
  if (refused.length > 0) {
    throw new DeviceError(`It would destroy what is on ${refused.join(" and ")}, which allowDestructive does not name`);
  }
  const unasked = programsRun(plugin, options).filter((program) => !consent.allowCommands.includes(program));
  if (unasked.length > 0) {
    throw new WorkloadError(`It would run ${unasked.join(" and ")}, which allowCommands does not name`);
  }
}

/**
 * Opens a device's medium, unless it would destroy what the person has not agreed to lose.
 *
 * @throws {DeviceError} when it would
 * @throws what the plugin throws
 */
export function openMedium(plugin: DevicePlugin, options: unknown, context: MediumContext): unknown {
  checkConsent(plugin, options, context);
  return plugin.openMedium(options, context);
}

/**
 * Makes a plugin's device and holds it against what the plugin says of it.
 *
 * @throws {PluginError} when it completes requests by events, or counts something, and the plugin does not say so
 */
export function makeDevice(
  plugin: DevicePlugin,
  options: unknown,
  medium: unknown,
  context: CreateContext,
): BlockDevice {
  const device = plugin.create(options, medium, context);
  if (device.listen !== undefined && plugin.events !== true) {
    throw new PluginError(
      `The device ${plugin.name} completes requests by events (it has listen), which its plugin does not say: add ` +
        "`events: true` to its definition",
    );
  }
  const declared = Object.keys(plugin.counters ?? {});
  const unknown = Object.keys(device.counters?.() ?? {}).filter((name) => !declared.includes(name));
  if (unknown.length > 0) {
    throw new PluginError(
      `The device ${plugin.name} counts ${
        unknown.join(", ")
      }, which its plugin does not say: add a sentence for each to ` +
        "`counters` in its definition",
    );
  }
  return device;
}
