// The public API: a WireGuard node in this process, its errors and types.

export { WeftError } from './core/errors.js';
export type { EngineKind, EngineOptions } from './dataplane/engine.js';
export { createLogger, type Logger, type LogLevel } from './node/logger.js';
export { type CloseReason, createNode, type Node, type NodeOptions } from './node/node.js';
