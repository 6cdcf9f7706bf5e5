/** The user and group that Chorus becomes when its sockets are open. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { ChorusError, reasonOf } from '#kit/errors.ts';

/** A resolved account. */
export type Account = { readonly user: string; readonly uid: number; readonly gid: number };

/** Gives the line of an account database (passwd, group) for a name or number; null when there is none. */
export type AccountLookup = (database: 'passwd' | 'group', key: string) => string | null;

/** Finds the account of `user:` and `group:`; null when there is no `user:`. Throws USER_UNKNOWN. */
export function resolveAccount(
  user: string | undefined,
  group: string | undefined,
  lookup: AccountLookup = systemLookup,
): Account | null {
  if (user === undefined) {
    if (group === undefined) return null;
    throw new ChorusError('USER_UNKNOWN', { user: `of group ${group}`, reason: '`group:` needs `user:`' });
  }
  const entry = lookup('passwd', user)?.split(':');
  const uid = entry ? idOf(entry[2], user) : /^\d+$/.test(user) ? Number(user) : null;
  if (uid === null) throw new ChorusError('USER_UNKNOWN', { user, reason: 'there is no such user' });
  let gid = entry ? idOf(entry[3], user) : null;
  if (group !== undefined) {
    const found = lookup('group', group)?.split(':');
    gid = found ? idOf(found[2], user) : /^\d+$/.test(group) ? Number(group) : null;
    if (gid === null) throw new ChorusError('USER_UNKNOWN', { user, reason: `there is no group ${group}` });
  }
  if (gid === null) {
    throw new ChorusError('USER_UNKNOWN', { user, reason: 'a user by number needs `group:` too' });
  }
  return { user: entry?.[0] ?? user, uid, gid };
}

/** A number of an entry. An empty one must not become 0, which is root. */
function idOf(text: string | undefined, user: string): number {
  if (text !== undefined && /^\d{1,10}$/.test(text)) return Number(text);
  throw new ChorusError('USER_UNKNOWN', { user, reason: 'its entry in passwd or group is broken' });
}

/** What of `process` it takes to become another user. All but Windows has all of it. */
export type Identity = Pick<NodeJS.Process, 'geteuid' | 'setgroups' | 'setgid' | 'setuid'> & {
  initgroups?(user: string, group: number): void;
};

/** Runs the change of user so that the calling thread keeps some capabilities: `keepNetAdmin` of net/capabilities.ts. */
export type Keep = (change: () => void) => void;

let kept = false;

/** Whether this process gave up root and kept capabilities: threads made since then have to drop them. */
export function keptCapabilities(): boolean {
  return kept;
}

/**
 * Becomes that account for good, in all threads: groups first, since they cannot be changed later. Gives false, and does
 * nothing, when the process is not root's. With `keep` the calling thread alone keeps what `keep` says. Throws USER_UNKNOWN.
 */
export function become({ user, uid, gid }: Account, identity: Identity = process, keep?: Keep): boolean {
  if (identity.geteuid?.() !== 0) return false;
  try {
    if (/^\d+$/.test(user)) identity.setgroups?.([gid]);
    else identity.initgroups?.(user, gid);
    identity.setgid?.(gid);
    const change = () => identity.setuid?.(uid);
    if (keep && uid !== 0) {
      keep(change);
      kept = true;
    } else change();
  } catch (error) {
    throw new ChorusError('USER_UNKNOWN', { user, reason: reasonOf(error) });
  }
  if (uid !== 0 && identity.geteuid?.() === 0) {
    throw new ChorusError('USER_UNKNOWN', { user, reason: 'the process is still root’s' });
  }
  return true;
}

/** The files first; then the other sources of names that the system knows (nsswitch.conf). */
function systemLookup(database: 'passwd' | 'group', key: string): string | null {
  const column = /^\d+$/.test(key) ? 2 : 0;
  const isWanted = (line: string) => line.split(':')[column] === key;
  try {
    const line = readFileSync(`/etc/${database}`, 'utf8').split('\n').find(isWanted);
    if (line !== undefined) return line;
    const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore'];
    const told = execFileSync('getent', [database, key], { encoding: 'utf8', timeout: 5000, stdio });
    return told.split('\n').find(isWanted) ?? null;
  } catch {
    return null;
  }
}
