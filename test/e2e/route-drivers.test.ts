/** Every route driver keeps the contract, with the real software. A driver adds its line to `subjects`. */
import { type RouteDriverUnderTest, routeDriverContract } from '#test/contract/route-driver.ts';

const subjects: readonly RouteDriverUnderTest[] = [];

for (const subject of subjects) routeDriverContract(subject);
