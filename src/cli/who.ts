/** Who runs a command, for the log of the running Chorus. */
import { hostname, userInfo } from 'node:os';

/** `ada@noc-7`: who called sudo, else the user. */
export function whoAsks(environment = process.env): string {
  const { SUDO_USER, USER, LOGNAME } = environment;
  const user = [SUDO_USER, USER, LOGNAME].find(name => name !== undefined && name !== '') ?? userOfSystem();
  return `${user}@${hostname()}`.slice(0, 200);
}

function userOfSystem(): string {
  try {
    return userInfo().username;
  } catch {
    // No entry in passwd.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
