// Bounds of a channel. Whatever an unauthenticated datagram can make grow or cost is bounded by a constant of this file.

import type { Rate } from '../rate.js';

/** Associations with nodes that are no members; the longest silent one goes first. */
export const MAX_STRANGERS = 256;

/** Handshakes of ours in flight. */
export const MAX_HANDSHAKES = 1_024;

/** Messages that wait for one handshake, and the endpoints it tries. */
export const MAX_HELD_MESSAGES = 8;
export const MAX_TRIED_PATHS = 8;

/** A hello is sent again after 300, 600 and 1,200 ms; after 4.5 s it is given up, and what waits with it. */
export const RETRY_MS = 300;
export const MAX_HELLOS = 4;

/** ... so many to an address that only a record names, until something comes from there. */
export const TRIAL_HELLOS = 2;

/** Cookies taken in one handshake: after a lost reply, a new secret and a changed address there is no reason for more. */
export const MAX_COOKIES = 4;

/** How long an accepted session waits for its first data. */
export const PENDING_MS = 10_000;

/** The first to send on a session this old makes a new one; a datagram can be withheld no longer than a session lives. */
export const REKEY_AFTER_MS = 3_600_000;
export const SESSION_LIFETIME_MS = 3_900_000;
export const REKEY_AFTER_MESSAGES = 2 ** 31;
export const MAX_COUNTER = 2 ** 32 - 1;

/** A message that was sent this short ago is sent again when its receiver turns out to have lost the session. */
export const RESEND_WITHIN_MS = 3_000;

/** Datagrams that wait to be taken. */
export const MAX_OUTBOX = 4_096;

/** A cookie secret's life. */
export const COOKIE_SECRET_MS = 60_000;

/**
 * Datagrams that cost a MAC or a seal before anything about their sender is known. A source has its own share, so that
 * a flood from one address leaves the others alone; beyond it there is a share for all, so that a flood that forges the
 * address of a member does not shut this member out.
 */
export const UNPROVEN_PER_SOURCE: Rate = { perSecond: 4, burst: 8 };
export const UNPROVEN_SHARED: Rate = { perSecond: 4_000, burst: 400 };

/** Hellos of strangers who have proven their address, each a Diffie-Hellman. */
export const STRANGER_HELLOS_PER_SOURCE: Rate = { perSecond: 2, burst: 5 };
export const STRANGER_HELLOS: Rate = { perSecond: 50, burst: 50 };

/** Messages of strangers that are handed on. */
export const MESSAGES_PER_STRANGER: Rate = { perSecond: 10, burst: 20 };
export const STRANGER_MESSAGES: Rate = { perSecond: 200, burst: 200 };

/** Searches for the session that another node says it does not know. */
export const LOST_SESSIONS: Rate = { perSecond: 50, burst: 50 };
