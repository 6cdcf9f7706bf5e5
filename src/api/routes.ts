/** What is where. A new route is an entry here; the index at `/` and the reference are made from the table. */
import type { IncomingMessage } from 'node:http';
import type { Forcing } from '#health/judge.ts';
import { expositionType } from '#insight/metrics.ts';
import { ChorusError } from '#kit/errors.ts';
import { bodies, readBody } from './body.ts';
import type { Control, Verdict } from './control.ts';
import { type Answer, json } from './respond.ts';

export type Route = {
  readonly method: 'GET' | 'POST';
  /** `*` stands for one or more segments, the name of something. */
  readonly path: string;
  readonly docs: string;
  /** `name` is what `*` stood for, or empty. */
  readonly answer: (control: Control, request: IncomingMessage, name: string) => Answer | Promise<Answer>;
};

const verdict = ({ ok, reasons }: Verdict): Answer => json({ ok, reasons }, ok ? 200 : 503);

const forcings = { up: 'up', down: 'down', auto: 'auto', drain: 'draining' } as const satisfies Record<
  string,
  Forcing
>;
const forcingDocs = {
  up: 'Takes a backend as up, whatever its probes say.',
  down: 'Takes a backend out at once.',
  auto: 'Gives a backend back to the judgement of its probes.',
  drain: 'Gives a backend no new queries; those in flight are answered.',
};

export const routes: readonly Route[] = [
  {
    method: 'GET',
    path: '/',
    docs: 'This list.',
    answer: () => ({ status: 200, type: 'text/html; charset=utf-8', body: indexPage() }),
  },
  {
    method: 'GET',
    path: '/metrics',
    docs: 'Metrics for Prometheus.',
    answer: control => ({ status: 200, type: expositionType, body: control.metrics() }),
  },
  {
    method: 'GET',
    path: '/healthz',
    docs: '200 while the process does its work, else 503 with reasons.',
    answer: control => verdict(control.alive()),
  },
  {
    method: 'GET',
    path: '/readyz',
    docs: '200 while clients are answered, else 503 with reasons.',
    answer: control => verdict(control.ready()),
  },
  {
    method: 'GET',
    path: '/api/v1/status',
    docs: 'The front at a glance.',
    answer: control => json(control.status()),
  },
  {
    method: 'GET',
    path: '/api/v1/backends',
    docs: 'Pools and backends with their states.',
    answer: control => json(control.backends()),
  },
  ...Object.entries(forcings).map(
    ([verb, forcing]): Route => ({
      method: 'POST',
      path: `/api/v1/backends/*/${verb}`,
      docs: forcingDocs[verb as keyof typeof forcings],
      answer: async (control, request, name) => {
        await readBody(request, bodies.none);
        return json(control.force(name, forcing));
      },
    }),
  ),
  {
    method: 'POST',
    path: '/api/v1/reload',
    docs: 'Puts the configuration file in force again; an error changes nothing.',
    answer: async (control, request) => {
      await readBody(request, bodies.none);
      return json(await control.reload());
    },
  },
  {
    method: 'GET',
    path: '/api/v1/cache',
    docs: 'The cache: size, hits, misses.',
    answer: control => {
      const cache = control.cache();
      if (!cache) throw new ChorusError('CACHE_OFF');
      return json(cache);
    },
  },
  {
    method: 'POST',
    path: '/api/v1/cache/flush',
    docs: 'Forgets answers: all, those of {"name": NAME}, or with {"subtree": true} also those below it.',
    answer: async (control, request) => {
      const { name, subtree } = await readBody(request, bodies.flush);
      return json({ flushed: control.flush(name ?? null, subtree) });
    },
  },
  {
    method: 'GET',
    path: '/api/v1/routes',
    docs: 'Service addresses: what is wanted, what is there, and why.',
    answer: control => json(control.routes()),
  },
  {
    method: 'GET',
    path: '/api/v1/layer4',
    docs: 'What the kernel balances, and what it should.',
    answer: control => json(control.layer4()),
  },
  {
    method: 'GET',
    path: '/api/v1/routes/events',
    docs: 'What the announcer decided on lately: a JSON object a line, for `chorus routes --replay`.',
    answer: control => ({
      status: 200,
      type: 'application/x-ndjson; charset=utf-8',
      body: control
        .routesEvents()
        .map(line => `${line}\n`)
        .join(''),
    }),
  },
  {
    method: 'POST',
    path: '/api/v1/drain',
    docs: 'Takes the service addresses away from the routers: {"who": TEXT, "reason": TEXT, "for": "30m"}, all of it optional.',
    answer: async (control, request) => {
      const { who, reason, for: ms } = await readBody(request, bodies.drain);
      return json(await control.drain(who || asker(request), reason, ms ?? null));
    },
  },
  {
    method: 'POST',
    path: '/api/v1/undrain',
    docs: 'Ends a drain: {"who": TEXT}, optional.',
    answer: async (control, request) => {
      const { who } = await readBody(request, bodies.undrain);
      return json(await control.undrain(who || asker(request)));
    },
  },
];

/** Who asks, where the request does not say. */
function asker({ socket }: IncomingMessage): string {
  return `API client ${socket.remoteAddress ?? 'unknown'}`;
}

/** The route for a request. Throws HTTP_NOT_FOUND, or HTTP_METHOD with what the path takes. */
export function findRoute(method: string, path: string): { route: Route; name: string } {
  const wanted = method === 'HEAD' ? 'GET' : method;
  const allowed = new Set<string>();
  for (const route of routes) {
    const name = match(route.path, path);
    if (name === null) continue;
    if (route.method === wanted) return { route, name };
    allowed.add(route.method);
    if (route.method === 'GET') allowed.add('HEAD');
  }
  if (allowed.size === 0) throw new ChorusError('HTTP_NOT_FOUND', { path });
  throw new ChorusError('HTTP_METHOD', { method, path, allowed: [...allowed].join(', ') });
}

/** What `*` stands for; empty where there is none; null when the path is another one. */
function match(pattern: string, path: string): string | null {
  const [before = '', after] = pattern.split('*');
  if (after === undefined) return path === pattern ? '' : null;
  if (!path.startsWith(before) || !path.endsWith(after)) return null;
  const name = path.slice(before.length, path.length - after.length);
  if (name === '' || path.length <= before.length + after.length) return null;
  try {
    return decodeURIComponent(name);
  } catch {
    return null;
  }
}

function indexPage(): string {
  const rows = routes.map(({ method, path, docs }) => {
    const shown = path.replace('*', 'NAME');
    const place = method === 'GET' ? `<a href="${path}">${shown}</a>` : shown;
    return `<li><code>${method} ${place}</code> ${docs}</li>`;
  });
  return `<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Chorus</title><h1>Chorus</h1>\n<ul>\n${rows.join('\n')}\n</ul></html>\n`;
}
