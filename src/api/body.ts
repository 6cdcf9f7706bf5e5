/** Bodies of requests: bounded, JSON, and of a known shape. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { ChorusError } from '#kit/errors.ts';
import { parseDuration } from '#kit/units.ts';

/** Most bytes that a request may bring. */
export const bodyLimit = 16 * 1024;

/** The longest drain that ends by itself, ms. */
const longestDrain = 366 * 86_400_000;
/** Who asks, and why: for the log and the status. */
const words = z.string().trim().max(200);

/** Bodies by name: also for the reference of the API. */
export const bodies = {
  none: z.strictObject({}),
  flush: z
    .strictObject({
      name: z.string().min(1).max(1024).optional(),
      subtree: z.boolean().default(false),
    })
    .refine(({ name, subtree }) => name !== undefined || !subtree, { error: 'subtree needs a name' }),
  drain: z.strictObject({
    who: words.default(''),
    reason: words.default(''),
    for: z
      .string()
      .max(20)
      .transform(text => parseDuration(text) ?? 0)
      .refine(ms => ms >= 1000 && ms <= longestDrain, {
        error: 'expected a time from 1s to 366d, such as 30m',
      })
      .optional(),
  }),
  undrain: z.strictObject({ who: words.default('') }),
};

/** Reads a body of that shape; no body is `{}`. Throws HTTP_TOO_LARGE, HTTP_BODY. */
export async function readBody<T>(request: IncomingMessage, shape: z.ZodType<T>): Promise<T> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving the loop early must not cut the connection: the answer still has to go out.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (!(chunk instanceof Buffer)) continue;
    size += chunk.length;
    if (size > bodyLimit) throw new ChorusError('HTTP_TOO_LARGE', { limit: bodyLimit });
    chunks.push(chunk);
  }
  const result = shape.safeParse(parse(Buffer.concat(chunks).toString('utf8')));
  if (!result.success) {
    const [issue] = result.error.issues;
    const where = issue && issue.path.length > 0 ? `${issue.path.join('.')}: ` : '';
    throw new ChorusError('HTTP_BODY', { reason: `${where}${issue?.message ?? 'not as expected'}` });
  }
  return result.data;
}

function parse(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new ChorusError('HTTP_BODY', { reason: 'it is not JSON' });
  }
}
