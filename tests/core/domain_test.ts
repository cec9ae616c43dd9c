import assert from "node:assert/strict";
import { Command, commandIn, DomainControl, pieceIn } from "../../core/domain/control.ts";
import { HypervisorLife } from "../../core/domain/hypervisor_life.ts";
import { DomainError } from "../../core/errors.ts";
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
  assert.deepEqual([domainSide.command, commandIn(domainSide.peekCommandWord())], [Command.Measure, Command.Measure]);
  assert.equal(events.bell, 1);
});

Deno.test("a piece of the window is seen beside the command to measure, and nobody is woken for it", () => {
  const { events, control: hypervisor, domainSide } = control();
  const seen = (): number[] => {
    const word = domainSide.peekCommandWord();
    return [commandIn(word), pieceIn(word), domainSide.command];
  };
  for (const command of [Command.Boot, Command.WarmUp]) {
    hypervisor.send(command);
    hypervisor.beginPiece(1);
    assert.deepEqual(seen(), [command, 0, command], "there is no window yet");
  }
  hypervisor.send(Command.Measure);
  const { bell } = events;
  for (const piece of [1, 2, 99]) {
    hypervisor.beginPiece(piece);
    assert.deepEqual(seen(), [Command.Measure, piece, Command.Measure]);
  }
  assert.equal(events.bell, bell);
  hypervisor.send(Command.Measure);
  assert.deepEqual(seen(), [Command.Measure, 99, Command.Measure], "it is the same command");
  hypervisor.send(Command.Finish);
  hypervisor.beginPiece(3);
  assert.deepEqual(seen(), [Command.Finish, 0, Command.Finish], "the window is over");
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

Deno.test("a domain ends itself when its hypervisor has shown no sign of life for long", () => {
  let now = 0;
  const life = new HypervisorLife(30_000, () => now);
  let beat = 0;
  for (; now < 100_000; now += 6000) life.check(++beat);
  const since = now;
  assert.throws(
    () => {
      for (; now < since + 40_000; now += 6000) life.check(beat);
    },
    (thrown) =>
      thrown instanceof DomainError && /The hypervisor has shown no sign of life for 30 s/.test(thrown.message),
  );
  assert(now - since >= 30_000 - 6000);
});

Deno.test("a domain that was stopped itself, and goes on, gives its hypervisor time", () => {
  let now = 0;
  const life = new HypervisorLife(30_000, () => now);
  life.check(1);
  for (const stoppedMs of [60_000, 3_600_000, 86_400_000]) {
    now += stoppedMs;
    life.check(1); // The hypervisor was stopped with it, and has not come to beat yet.
  }
  life.check(2);
  now += 29_000;
  life.check(2);
});

Deno.test("a domain looks at its hypervisor's beats with its own, and only if it is to", () => {
  const { control: hypervisor, domainSide } = control();
  let now = 0;
  const beatFor = (ms: number): void => {
    for (const end = now + ms; now < end; now += 10) domainSide.beat();
  };
  beatFor(100_000);
  domainSide.watchHypervisor(new HypervisorLife(1000, () => now));
  for (let seconds = 0; seconds < 60; seconds++) {
    hypervisor.showHypervisorLives();
    beatFor(900);
  }
  assert.throws(() => beatFor(3000), DomainError);
});
