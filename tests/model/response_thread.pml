/*
 * Two consumers of one ring's responses, by try-lock: the application's thread, which submits, and a thread of its domain
 * that waits for responses. The rules, which any code that does so must follow:
 *
 * 1. Only who holds the lock consumes responses, and takes ids or frees them.
 * 2. Who does not get the lock at once goes on: its holder sees to what is there. So who let go of it looks once more.
 * 3. The notification always goes to the response thread, which wakes the application's after it has consumed something.
 * 4. An event index depends on how far was consumed: who holds the lock arms it, then looks again. A sleep flag does not,
 *    and a late notification of what the other has consumed takes it down: the response thread itself puts it up before
 *    each sleep, then looks again, whoever has the lock. (Put up by the holder of the lock it may be lost: BREAK_FLAG_BY_HOLDER.)
 *
 * The code has no second consumer yet; its shadow table and its ring are used by one thread. The quoted lines are those
 * that both would run.
 */

#define RINGS 1
#define DIRECTIONS 2
#define PAGES 3
#define DRIVER 0
#define RESPONSE_THREAD 1
#define APPLICATION_THREAD 2
#define APPLICATION(ring) RESPONSE_THREAD
#define PAGE_OF(direction) ((direction) == REQUESTS(0) -> DRIVER : RESPONSE_THREAD)
#define RANG(page, tells) skip
#define BELL_SEEN(page) skip
#define SEEN(direction) skip
#define MUST_SEE(ring) IS_THERE(REQUESTS(ring))
#define MUST_SEE_STOP false
#define DEVICE_HAS_FINISHED(page) false

#include "ring.pml"
#include "event_page.pml"
#include "waiter.pml"

bit stop[PAGES];
bit closed[RINGS];
bit asked[IDS];
bit in_driver[IDS];
bit locked;
#if defined(SLEEP_FLAG) && !defined(BREAK_FLAG_BY_HOLDER)
#define THREAD_ARMS
#elif !defined(BREAK_ARMED_BY_NOBODY)
#define HOLDER_ARMS
#endif
/* Operations that are over and were not returned to the workload. */
byte completions;

#include "driver.pml"

#define IN_FLIGHT AHEAD(produced[REQUESTS(0)], consumed[RESPONSES(0)])

/* `count`, `id`, `at` are local bytes of the caller. At its end `count` says whether anything was consumed. */
inline consume_if_unlocked()
{
	count = 0;
again:
#ifdef BREAK_NO_LOCK
	skip;
#else
	if
	:: locked -> goto unlocked
	:: d_step { !locked -> locked = 1 }
	fi;
#endif
consume:
	if
	/* core/ring.ts available: return (Atomics.load(this.#words, this.#peerProducer) - this.consumed) >>> 0; */
	:: AVAILABLE(RESPONSES(0)) > 0 ->
		/* core/frontend.ts #takeResponse: const id = words[at]; */
		d_step {
			at = consumed[RESPONSES(0)];
			id = ENTRY(RESPONSES(0), at) - RESPONSE(0)
		};
		/* core/frontend.ts #takeResponse: ring.consume(); */
		consumed[RESPONSES(0)] = NEXT(at);
		/* core/frontend.ts #takeResponse: shadow.release(id); */
		d_step {
			assert(id < IDS && asked[id]);
			asked[id] = 0;
			ENTRY(RESPONSES(0), at) = NOTHING;
			count = 1;
			at = 0;
			id = 0
		};
		completions++;
		goto consume
	:: AVAILABLE(RESPONSES(0)) == 0
	fi;
#ifdef HOLDER_ARMS
	arm(RESPONSES(0), 1);
	if
	:: AVAILABLE(RESPONSES(0)) > 0 -> goto consume
	:: AVAILABLE(RESPONSES(0)) == 0
	fi;
#endif
	locked = 0;
#ifndef BREAK_NO_LOOK_AFTER_LOCK
	if
	:: AVAILABLE(RESPONSES(0)) > 0 -> goto again
	:: AVAILABLE(RESPONSES(0)) == 0
	fi;
#endif
unlocked:
	skip
}

proctype response_thread()
{
	byte count, id, at;

	do
	:: rung[RESPONSE_THREAD] = 0;
		/* core/event_channel.ts clear: Atomics.store(this.#words, PENDING + port, 0); */
		pending[RESPONSES(0)] = 0;
#ifdef THREAD_ARMS
		arm(RESPONSES(0), 1);
#endif
		consume_if_unlocked();
#ifndef BREAK_NOT_TOLD
		if
		:: count > 0 -> wake(APPLICATION_THREAD, RESPONSES(0))
		:: count == 0
		fi;
#endif
#ifdef THREAD_ARMS
		if
		:: AVAILABLE(RESPONSES(0)) > 0 -> goto awake
		:: AVAILABLE(RESPONSES(0)) == 0
		fi;
#endif
		sleep_on_bell(RESPONSE_THREAD);
end_asleep:
		IS_AWAKE(RESPONSE_THREAD);
awake:
		disarm(RESPONSES(0))
	od
}

proctype application()
{
	byte from, count, id, at;

	do
	/* It waits for the lock, which is never held for longer than the responses take that are there. */
	:: d_step { IN_FLIGHT + completions < RING_SIZE && !locked -> locked = 1 };
		d_step {
			id = produced[REQUESTS(0)] % IDS;
			do
			:: asked[id] -> id = (id + 1) % IDS
			:: else -> break
			od;
			asked[id] = 1;
			assert(ENTRY(REQUESTS(0), produced[REQUESTS(0)]) == NOTHING);
			ENTRY(REQUESTS(0), produced[REQUESTS(0)]) = REQUEST(id);
			produced[REQUESTS(0)] = NEXT(produced[REQUESTS(0)]);
			id = 0
		};
		locked = 0;
#ifdef BATCH
		/* core/frontend.ts submit: if (++this.#unpublished >= this.#batch) this.#publishEarly(); */
		if
		:: push(REQUESTS(0))
		:: skip
		fi
#endif

	:: completions > 0 -> completions--

	:: IN_FLIGHT > 0 && completions == 0 ->
		/* core/frontend.ts #publish: if (!ring.unpushed) return; */
		if
		:: IS_UNPUSHED(REQUESTS(0)) -> push(REQUESTS(0))
		:: !IS_UNPUSHED(REQUESTS(0))
		fi;
		do
		:: rung[APPLICATION_THREAD] = 0;
			consume_if_unlocked();
			count = 0;
			if
			:: completions > 0 -> break
			:: completions == 0
			fi;
			sleep_on_bell(APPLICATION_THREAD);
			IS_AWAKE(APPLICATION_THREAD)
		od

	:: IN_FLIGHT + completions == 0 ->
end_of_rest:
		false
	od
}

init
{
	atomic {
		run driver();
		run response_thread();
		run application()
	}
}
