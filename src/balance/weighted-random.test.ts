import { policyContract } from '#test/contract/policy.ts';
import { weightedRandom } from './weighted-random.ts';

policyContract('weighted-random', weightedRandom, { byWeight: true });
