// What the mesh core wants done, as values. The shell takes them after each input and carries them out in order.

import type { Path } from '../core/types.js';
import type { Member, MemberState, NodeId } from './types.js';

/** What survives a restart: plain data, see state.ts for its bytes. */
export interface MeshState {
  /** The first incarnation that was never used: a restarted node begins with it. */
  readonly incarnation: number;
  /** Of the own record. */
  readonly addressCounter: number;
  readonly members: readonly SavedMember[];
}

export interface SavedMember {
  /** A SignedRecord's bytes. */
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  readonly state: MemberState;
}

export type MemberChange = 'joined' | 'record' | 'state' | 'endpoint';

export type MeshEffect =
  | { readonly type: 'send-datagram'; readonly path: Path; readonly bytes: Uint8Array }
  /** `record` includes a change of state. 'endpoint': where it is heard from has changed. */
  | { readonly type: 'member-changed'; readonly member: Member; readonly reason: MemberChange }
  /** It is no member any more: revoked, expired, or gone for long. */
  | { readonly type: 'member-forgotten'; readonly id: NodeId; readonly reason: string }
  /** Must be on the disk before the effects that follow it are carried out. */
  | { readonly type: 'save-state'; readonly state: MeshState }
  /** A revocation that was not known yet: to be kept on the disk. */
  | { readonly type: 'save-revocation'; readonly bytes: Uint8Array }
  /**
   * The issuer's invites have changed, and `certificate` was signed, if it is not null: to be on the disk, and invitesSaved()
   * to be told, which sends the answers that wait for it.
   */
  | {
      readonly type: 'save-invites';
      readonly state: Uint8Array;
      readonly certificate: Uint8Array | null;
    }
  | {
      readonly type: 'event';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  /** The result of ping(); null: no answer. */
  | { readonly type: 'pong'; readonly id: NodeId; readonly rttMs: number | null }
  /** leave() has told as many as it can: the shell may stop. */
  | { readonly type: 'left' };
