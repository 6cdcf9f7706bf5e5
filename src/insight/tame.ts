/** Printable ASCII, at most `most` characters, without the bar that divides a plug-in's line: what a server says may be anything. */
export function tame(text: string, most = 200): string {
  const plain = text.replace(/[^\x20-\x7e]+/g, '?').replaceAll('|', '/');
  return plain.length > most ? `${plain.slice(0, most - 3)}...` : plain;
}
