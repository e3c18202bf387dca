// The commands of `weft`, in the order of its help. Each is loaded when it is run: the command line starts quickly.

import type { CommandEntry } from './command.js';

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'init',
    summary: 'make a mesh, and this host its first node',
    load: async () => (await import('./commands/init.js')).init,
  },
  {
    name: 'join',
    summary: 'enter a mesh with an invite, read from standard input',
    load: async () => (await import('./commands/join.js')).join,
  },
  {
    name: 'up',
    summary: 'start the node (-d: in the background)',
    load: async () => (await import('./commands/up.js')).up,
  },
  {
    name: 'down',
    summary: 'leave and stop the running node',
    load: async () => (await import('./commands/down.js')).down,
  },
  {
    name: 'reload',
    summary: 'apply the configuration and trust files, all or nothing',
    load: async () => (await import('./commands/reload.js')).reload,
  },
  {
    name: 'status',
    summary: 'the node, its members and how they are reached',
    load: async () => (await import('./commands/status.js')).status,
  },
  {
    name: 'show',
    summary: 'this node’s identity and addresses; show dump: as wg show dump',
    load: async () => (await import('./commands/show.js')).show,
  },
  {
    name: 'ping',
    summary: 'probe a member through gossip',
    load: async () => (await import('./commands/ping.js')).ping,
  },
  {
    name: 'path',
    summary: 'uplinks used as one: ls, explain, pin, drain',
    load: async () => (await import('./commands/path.js')).path,
  },
  {
    name: 'invite',
    summary: 'print an invite for another node',
    load: async () => (await import('./commands/invite.js')).invite,
  },
  {
    name: 'trust',
    summary: 'whom this node trusts: add, rm, ls',
    load: async () => (await import('./commands/trust.js')).trust,
  },
  {
    name: 'authority',
    summary: 'certificates: init, sign, revoke, ls',
    load: async () => (await import('./commands/authority.js')).authority,
  },
  {
    name: 'export',
    summary: 'a configuration for a plain WireGuard device',
    load: async () => (await import('./commands/export.js')).exportPeer,
  },
  {
    name: 'log',
    summary: 'the last lines of the running node’s log',
    load: async () => (await import('./commands/log.js')).log,
  },
  {
    name: 'bugreport',
    summary: 'what a report of a fault should hold, without secrets',
    load: async () => (await import('./commands/bugreport.js')).bugreport,
  },
  {
    name: 'completion',
    summary: 'a completion script for bash, zsh or fish',
    load: async () => (await import('./commands/completion.js')).completion,
  },
];
