import assert from "node:assert/strict";
import fc from "fast-check";
import { adviceSentences } from "../../cli/advice_sentences.ts";
import { renderAdvice } from "../../cli/advice_table.ts";
import type { Advice } from "../../core/runner/advise/advice.ts";
import { adviceFor, DEPTH, loadOf, loadsAlong, type Measured, steady, unsteady } from "../helpers/advices.ts";

function said(advice: Advice): string {
  return adviceSentences(advice).join("\n");
}

/** What is said of one load. */
function saidOf(measured: Measured, change: Parameters<typeof adviceFor>[1] = {}): string {
  return said(adviceFor([loadOf(measured, { cpuPrice: change.cpuPrice })], change));
}

Deno.test("one winner is named with how much better it is than the next, how sure that is, and what it costs", () => {
  const text = saidOf({ a: steady(1000, { cores: 2 }), b: steady(500, { cores: 0.1 }), c: steady(100) });
  assert.match(text, /^Use a: by throughput it is 2\.00 times \[1\.9\d–2\.0\d\] as good as b, the next\.$/m);
  assert.match(
    text,
    /^a uses 2\.00 cores, 2\.00 ms of CPU time an operation; b uses the least, 200 µs, at 0\.50 times the throughput\.$/m,
  );
  assert.match(text, /^Measured: 15 repetitions of 300ms after 200ms of warm-up, in 61 s; all was known then\./m);
  assert.match(text, /^Best is what has the highest IOPS \(--cpu-price 0\)\.$/m);
  assert.match(
    saidOf({ a: steady(1000, { cores: 0.1 }), b: steady(500) }),
    /^a uses 0\.10 cores, .*, the least of all\.$/m,
  );
});

Deno.test("a tie is called one", () => {
  const text = saidOf({ a: steady(1000), b: steady(1000), c: steady(1000), d: steady(10) });
  assert.match(text, /^Use [abc], [abc] or [abc]: by throughput they are alike, within 2 % of the best\.$/m);
});

Deno.test("what was not told apart is said to be so, with what was ahead, and whether more time would help", () => {
  const measured = { a: unsteady(1000), b: unsteady(990).toReversed(), c: steady(1) };
  const text = saidOf(measured, { ended: "time" });
  assert.match(
    text,
    /^a and b cannot be told apart\. By throughput a was ahead, \d\.\d\d times \[.+–.+\] as good as b\. More time \(--time\) may tell\.$/m,
  );
  assert.match(text, /the time was over then/);
  assert.match(saidOf(measured, { ended: "exhausted" }), /Hardly more would be told by more time\.$/m);
});

Deno.test("who would be better, if it kept up, is said to be so, and is not what the first is compared with", () => {
  const measured = {
    a: steady(1000, { p99Ns: 4e4 }),
    b: steady(1000, { p99Ns: 5e4 }),
    c: [700, 1100, 800, 1050, 720].map((iops) => ({ iops, p99Ns: 1e4 })),
  };
  const labels = { [DEPTH]: "1" };
  const other = loadOf({ a: steady(1000), b: steady(10), c: steady(10) }, { labels: { [DEPTH]: "2" }, asked: false });
  const text = renderAdvice(adviceFor([loadOf(measured, { labels, openLoop: true }), other], { axis: DEPTH }));
  assert.match(
    text,
    /^a and c cannot be told apart at queueDepth=1\. By p99 latency a was ahead, 1\.25 times .*as good as b; c would be better, but seems not to keep up, which is not sure\. More/m,
  );
  assert.match(text, /^Above 1: would be better, but seems not to keep up with the arrivals\.$/m);
});

Deno.test("an interval that says nothing is not printed", () => {
  const wild = { a: [{ iops: 1000 }, { iops: 100 }, { iops: 3000 }], b: [{ iops: 20 }, { iops: 700 }, { iops: 30 }] };
  const text = renderAdvice(adviceFor([loadOf(wild)]));
  assert.match(text, /a was ahead, \d+\.\d+ times as good as b\./);
  assert.match(text, /│ +0\.11 │ +3 │ not told apart/);
});

Deno.test("of many policies in a row the first are named", () => {
  const names = ["a", "b", "c", "d", "e", "f"];
  const all = Object.fromEntries(names.map((name) => [name, steady(1000)]));
  assert.match(saidOf(all), /^Use \w, \w, \w or 3 others: by throughput they are alike/m);
});

Deno.test("where the time was too short that is said, and what was not measured at all", () => {
  const once = saidOf({ a: steady(1000, {}, 1), b: steady(10, {}, 1) }, { ended: "time" });
  assert.match(
    once,
    /cannot be told apart; 5 repetitions are the least that tell anything, and the time was enough for 1\./,
  );
  const never = saidOf({ a: steady(1000, {}, 1), b: [], c: [] }, { ended: "time" });
  assert.match(never, /^a was ahead, but that is not sure; 2 policies could not even be measured in the time\./m);
  assert.match(saidOf({ a: [], b: [] }, { ended: "interrupted" }), /^No policy can be named: nothing was measured\.$/m);
});

Deno.test("where all fail no policy is named, and each cause is said once", () => {
  const text = said(
    adviceFor(loadsAlong({ 1: { a: "it broke", b: "it fell" }, 8: { a: "it broke", b: "it broke" } }), { axis: DEPTH }),
  );
  assert.match(text, /^No policy can be named at queueDepth=1: all failed\.$/m);
  assert.match(text, /^a was left out: it broke$/m);
  assert.match(text, /^b was left out at queueDepth=1: it fell$/m);
  assert.match(text, /^b was left out at queueDepth=8: it broke$/m);
  assert.doesNotMatch(text, /cores|changes/);
});

Deno.test("one policy that is left over is used, for want of another", () => {
  assert.match(saidOf({ a: steady(1000) }), /^Use a: no other was compared\.$/m);
  assert.match(
    saidOf({ a: steady(1000), b: "it broke" }),
    /^Use a: no other gives as much work, or could be measured\.$/m,
  );
});

Deno.test("where the answer changes with the load is said, and what serves all", () => {
  const loads = loadsAlong({
    1: { a: steady(200), b: steady(150), c: steady(180) },
    4: { a: steady(200), b: steady(200), c: steady(180) },
    32: { a: steady(20), b: steady(200), c: steady(190) },
  });
  const text = said(adviceFor(loads, { axis: DEPTH }));
  assert.match(text, /^Use a at queueDepth=1: /m);
  assert.match(text, /^It changes with queueDepth: 1 to 4: a; 32: b\.$/m);
  assert.match(
    text,
    /^If one policy must serve all of these loads: c, nowhere below 0\.90 times the best \(there at queueDepth=(1|4)\)\.$/m,
  );
  const same = loadsAlong({ 1: { a: steady(200), b: steady(150) }, 2: { a: steady(200), b: steady(150) } });
  const constant = said(adviceFor(same, { axis: DEPTH }));
  assert.match(constant, /^It does not change with queueDepth, from 1 to 2: a\.$/m);
  assert.doesNotMatch(constant, /must serve all/);
  const unsure = loadsAlong({
    1: { a: steady(200), b: steady(150) },
    2: { a: unsteady(200), b: unsteady(190, 6).slice(1) },
  });
  assert.match(said(adviceFor(unsure, { axis: DEPTH })), /^No change with queueDepth can be told, from 1 to 2: a\.$/m);
});

Deno.test("of loads without an order each is answered for itself", () => {
  const load = (size: string, best: string) => {
    const measured = { a: steady(best === "a" ? 200 : 100), b: steady(best === "b" ? 200 : 100) };
    return loadOf(measured, { labels: { blockSize: size, device: "null" }, asked: false });
  };
  const different = said(adviceFor([load("4KiB", "a"), load("64KiB", "b")]));
  assert.match(different, /^Use a at blockSize=4KiB: /m);
  assert.match(different, /^Use b at blockSize=64KiB: /m);
  assert.match(different, /^The answer is not the same at all of these loads\.$/m);
  assert.match(different, /^If one policy must serve all of these loads: [ab], nowhere below 0\.50 times/m);
  const same = said(adviceFor([load("4KiB", "a"), load("64KiB", "a")]));
  assert.match(same, /^At all of these loads a is the best/m);
  assert.doesNotMatch(same, /must serve all/);
});

Deno.test("without CPU times that is said, and that the price could not count", () => {
  const unknown = { a: steady(1000, { cores: null }), b: steady(10, { cores: null }) };
  assert.match(saidOf(unknown), /^What that costs in CPU could not be measured; --allow-ffi lets it be\.$/m);
  assert.match(saidOf(unknown, { cpuPrice: 0.5 }), /so it does not count here, whatever --cpu-price says/);
  assert.match(saidOf(unknown, { cpuPrice: 0.5 }), /^Use a: by throughput it is/m);
  const idle = { a: [{ iops: 0, cores: null }], b: [{ iops: 0, cores: null }] };
  assert.match(saidOf(idle), /^Nothing tells the policies apart: no operation finished, and CPU time could not be/m);
});

Deno.test("what decides is named as it is: by the price of CPU, in an open loop, and where nothing is to be done", () => {
  const both = { a: steady(1000), b: steady(100) };
  assert.match(saidOf(both, { cpuPrice: 1 }), /by throughput per core it is/);
  assert.match(saidOf(both, { cpuPrice: 1 }), /highest IOPS \/ cores \(--cpu-price 1\)/);
  assert.match(saidOf(both, { cpuPrice: 0.3 }), /by IOPS \/ cores\^0\.3 it is/);
  const open = (cpuPrice: number): string => {
    const measured = {
      a: steady(1000, { p99Ns: 1e4, cores: 1 }),
      b: steady(1000, { p99Ns: 9e4, cores: 2 }),
      c: steady(10),
    };
    return said(adviceFor([loadOf(measured, { openLoop: true, cpuPrice })], { cpuPrice }));
  };
  assert.match(open(0), /^Use a: by p99 latency it is 9\.0\d times/m);
  assert.match(open(0), /^c was left out: it completes less than others do$/m);
  assert.match(open(0), /highest 1 \/ p99 of those that keep up/);
  assert.match(open(1), /^Use a: by CPU use it is 2\.0\d times/m);
  assert.match(open(0.25), /highest 1 \/ \(p99\^0\.75 · cores\^0\.25\) of those that keep up/);
  const idle = { a: steady(0, { p99Ns: null, cores: 0.01 }), b: steady(0, { p99Ns: null, cores: 1 }) };
  assert.match(saidOf(idle), /^Use a: by CPU use it is 100 times/m);
  assert.match(saidOf(idle), /^a uses 0\.010 cores\.$/m);
  assert.match(saidOf(idle), /^Best is what has the highest 1 \/ cores \(--cpu-price 0\)\.$/m);
});

Deno.test("the tables have a row a policy, with the load that was asked about and all loads", () => {
  const text = renderAdvice(adviceFor(
    loadsAlong({ 1: { a: steady(200), b: "it broke" }, 4: { a: steady(200), b: steady(400) } }),
    { axis: DEPTH },
  ));
  assert.match(text, /^test: which policy\?$/m);
  assert.match(text, /^At queueDepth=1:$/m);
  assert.match(text, /^│ a +│ +200 │ +100 µs │ +1\.00 │ +5\.00 ms │ +1\.00 │ +5 │ best +│$/m);
  assert.match(text, /^│ b +│[ │]*0 │ failed +│$/m);
  assert.match(text, /^│ policy │ +queueDepth=1 │ +queueDepth=4 │$/m);
  assert.match(text, /^│ a +│ +1\.00\* │ +0\.50 +│$/m);
  assert.match(text, /^│ b +│ +failed │ +1\.00\* │$/m);
});

Deno.test("a narrow table leaves columns out, and says which", () => {
  const advice = adviceFor([loadOf({ a: steady(200), b: steady(1000) })]);
  const text = renderAdvice(advice, 60);
  assert.match(text, /^│ policy │ .* to the best │ is +│$/m);
  assert.match(text, /^runs, cores.*: left out, as the terminal is narrow\.$/m);
  const table = text.split("\n").filter((line) => /^[┌│├└]/.test(line));
  assert.ok(table.length > 4 && table.every((line) => line.length <= 60), text);
  assert.doesNotMatch(renderAdvice(advice), /left out/);
});

Deno.test("whatever was measured, the text has no number that is none", () => {
  const observation = fc.record({
    iops: fc.constantFrom(0, 1, 1e3, 1.7e6),
    p99Ns: fc.constantFrom(null, 0, 1e3, 3e9),
    cores: fc.constantFrom(null, 0, 0.001, 2),
  });
  const measured = fc.dictionary(
    fc.constantFrom("a", "b", "c"),
    fc.oneof(fc.array(observation, { maxLength: 4 }), fc.constant("it broke")),
    { minKeys: 1 },
  );
  const ended = fc.constantFrom("decided", "time", "interrupted", "exhausted");
  const price = fc.constantFrom(0, 0.5, 1);
  fc.assert(
    fc.property(
      fc.array(measured, { minLength: 1, maxLength: 4 }),
      price,
      ended,
      fc.boolean(),
      fc.boolean(),
      (all, cpuPrice, ended, along, openLoop) => {
        const loads = all.map((each, index) => {
          return loadOf(each, { labels: { [DEPTH]: String(index) }, asked: along && index === 0, openLoop, cpuPrice });
        });
        const advice = adviceFor(loads, { axis: along ? DEPTH : null, cpuPrice, ended });
        const text = renderAdvice(advice);
        assert.doesNotMatch(text, /NaN|Infinity|undefined|null|\bUse :|∞/);
        assert.ok(text.split("\n").length >= 3);
      },
    ),
    { numRuns: 500 },
  );
});
