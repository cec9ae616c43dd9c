import assert from "node:assert/strict";
import { Command, DomainControl } from "../../core/domain/control.ts";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";

function control(): { events: EventPage; control: DomainControl; domainSide: DomainControl } {
  const events = new EventPage(allocateEventPage());
  const hypervisorSide = DomainControl.allocate(events);
  return { events, control: hypervisorSide, domainSide: new DomainControl(hypervisorSide.memory, events) };
}

Deno.test("each command includes that the ones before it are over", () => {
  const { Boot, WarmUp, Measure, Finish, Stop } = Command;
  assert.deepEqual([Boot, WarmUp, Measure, Finish, Stop], [0, 1, 2, 3, 4]);
});

Deno.test("a command reaches the domain and rings its bell", () => {
  const { events, control: hypervisor, domainSide } = control();
  assert.equal(domainSide.command, Command.Boot);
  hypervisor.send(Command.Measure);
  assert.deepEqual([domainSide.command, domainSide.peekCommand()], [Command.Measure, Command.Measure]);
  assert.equal(events.bell, 1);
});

Deno.test("only the command to stop is a request to give up waiting", () => {
  const { control: hypervisor, domainSide } = control();
  for (const command of [Command.Boot, Command.WarmUp, Command.Measure, Command.Finish]) {
    hypervisor.send(command);
    assert.equal(domainSide.stopRequested(), false);
  }
  hypervisor.send(Command.Stop);
  assert.equal(domainSide.stopRequested(), true);
});

Deno.test("a command is never taken back by an earlier one", () => {
  const { control: hypervisor, domainSide } = control();
  hypervisor.send(Command.Stop);
  hypervisor.send(Command.Measure);
  assert.equal(domainSide.command, Command.Stop);
});

Deno.test("a domain that beats, or asks whether to stop, shows that it lives", () => {
  const { control: hypervisor, domainSide } = control();
  for (const act of [() => domainSide.beat(), () => domainSide.stopRequested()]) {
    const before = hypervisor.heartbeat;
    act();
    assert.notEqual(hypervisor.heartbeat, before);
  }
});

Deno.test("a beat does not change the command, nor a command the beat", () => {
  const { control: hypervisor, domainSide } = control();
  hypervisor.send(Command.Finish);
  for (let i = 0; i < 100; i++) domainSide.beat();
  assert.equal(hypervisor.command, Command.Finish);
  const before = hypervisor.heartbeat;
  hypervisor.send(Command.Stop);
  assert.equal(hypervisor.heartbeat, before);
});
