/**
 * Errors by meaning. Each class has a stable `code`, so that a caller need not read messages.
 *
 * @module
 */

/** Base of every error that iddr throws on purpose. */
export abstract class IddrError extends Error {
  /** Stable name of the kind of error. */
  abstract readonly code: string;

  /** The class's name, for logs. */
  override get name(): string {
    return this.constructor.name;
  }
}

/** The peer broke the protocol, died or did not answer. The connection is unusable; its owner is unharmed. */
export class ConnectionError extends IddrError {
  /** See {@link IddrError.code}. */
  override readonly code = "IDDR_CONNECTION";
}

/** A device cannot be opened, or an operation on it failed. */
export class DeviceError extends IddrError {
  /** See {@link IddrError.code}. */
  override readonly code = "IDDR_DEVICE";
}

/** A workload cannot run on the device that it was given, or met a failed operation. */
export class WorkloadError extends IddrError {
  /** See {@link IddrError.code}. */
  override readonly code = "IDDR_WORKLOAD";
}

/** A plugin's module or definition is wrong. */
export class PluginError extends IddrError {
  /** See {@link IddrError.code}. */
  override readonly code = "IDDR_PLUGIN";
}

/** A domain died, hung or never became ready. */
export class DomainError extends IddrError {
  /** See {@link IddrError.code}. */
  override readonly code = "IDDR_DOMAIN";
}

/** The message of anything that can be thrown. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message === "" ? thrown.name : thrown.message;
  if (typeof thrown !== "object" || thrown === null) return String(thrown);
  try {
    return JSON.stringify(thrown); // `[object Object]` would tell nothing.
  } catch {
    return String(thrown);
  }
}
