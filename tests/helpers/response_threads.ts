/**
 * Machines whose applications have a thread each that takes their responses.
 *
 * @module
 */

import { clientOf, type DomainPlan, type MachinePlan, type PluginUse } from "../../core/domain/plan.ts";

/** Name of the domain that takes an application's responses. */
export function responderOf(application: string): string {
  return `${application}-responses`;
}

/**
 * The same machine with a response thread for every link.
 *
 * @param policyOf how the thread of an application waits; as its application by default
 */
export function withResponseThreads(
  plan: MachinePlan,
  policyOf: (application: DomainPlan) => PluginUse = ({ policy }) => policy,
): MachinePlan {
  const frontends = plan.links.map(({ frontend }) => frontend);
  const responders = plan.domains.filter(({ name }) => frontends.includes(name)).map((domain): DomainPlan => ({
    name: responderOf(domain.name),
    kind: domain.kind,
    cpus: domain.cpus,
    policy: policyOf(domain),
    responder: { application: domain.name, client: clientOf(domain) },
  }));
  return {
    ...plan,
    domains: [...plan.domains, ...responders],
    links: plan.links.map((link) => ({ ...link, channel: { ...link.channel, completion: "thread" } })),
  };
}
