/** `OTEL_TRACES_SAMPLER` and its argument, by the SDK's own samplers. */
import { ROOT_CONTEXT } from '@opentelemetry/api';
import { AlwaysOffSampler, AlwaysOnSampler, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace';
import { parentBasedAlwaysOn, type Sampler } from './tracer.ts';

export const samplerFromEnvironment = (env: Readonly<Record<string, string | undefined>>): Sampler => {
  const name = env.OTEL_TRACES_SAMPLER || 'parentbased_always_on';
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG || 1);
  const roots = {
    always_on: new AlwaysOnSampler(),
    always_off: new AlwaysOffSampler(),
    traceidratio: new TraceIdRatioBasedSampler(Number.isFinite(ratio) ? ratio : 1),
  };
  const [, parentBased, rootName] = /^(parentbased_)?(always_on|always_off|traceidratio)$/.exec(name) ?? [];
  if (rootName === undefined) return parentBasedAlwaysOn;
  const root = roots[rootName as keyof typeof roots];
  const decide = (traceId: string): boolean => root.shouldSample(ROOT_CONTEXT, traceId).decision !== 0;
  return (traceId, parent) => (parentBased !== undefined && parent !== undefined ? parent.sampled : decide(traceId));
};
