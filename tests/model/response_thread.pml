/*
 * Two consumers of one ring's responses, by try-lock: the application's thread, which submits, and a thread of its domain
 * that waits for responses and hands them over. The rules:
 *
 * 1. Only who holds the lock consumes responses. Ids are taken and freed by the thread that submits alone; who consumes
 *    says that a request was answered, and the id goes through the queue of completions.
 * 2. Nobody waits for the lock. Who does not get it goes on: its holder hands over what it has seen.
 * 3. The notification always goes to the response thread. It does not sleep while it cannot ask for one, and looks at what
 *    is there after it has asked.
 * 4. An event index depends on how far was consumed: it is armed by who holds the lock, and the look that follows is under
 *    the lock, too. What was there at that time raises no notification; without the lock the other thread could consume it
 *    before the look, and the response thread would sleep on an event that was passed. A sleep flag depends on nothing.
 * 5. When completions are in the queue, the thread that submits is woken if it has said that it sleeps; it looks at the queue
 *    after it has said so.
 *
 * Whether the thread that submits takes responses itself is its choice at every look, so both settings are searched.
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
/* Whether a request is in flight: issued, and not yet seen to be answered. */
bit asked[IDS];
bit in_driver[IDS];
/* Whether an id is in use: until the thread that submits has taken the completion. */
bit in_use[IDS];
byte ids_in_use;
bit locked;
/* Whether the thread that submits has said that it sleeps. */
bit submitter_sleeps;
/* core/completion_area.ts write: this.#words[QUEUE + (index & (this.#entries - 1))] = completion; */
chan completions = [RING_SIZE] of { byte };

#include "driver.pml"

#ifdef BREAK_NO_LOCK
#define TRY_LOCK(otherwise) skip
#else
/* core/completion_area.ts tryLock: return Atomics.load(words, LOCK) === FREE && Atomics.compareExchange(words, LOCK, FREE, HELD) === FREE; */
#define TRY_LOCK(otherwise) \
	if \
	:: locked -> goto otherwise \
	:: d_step { !locked -> locked = 1 } \
	fi
#endif

/* `count`, `id`, `at` are local bytes of the caller. At its end `count` says whether anything was consumed. */
inline take_responses()
{
	count = 0;
	/* core/response_taker.ts take: return this.#area.tryLock() && this.takeLocked(state); */
	TRY_LOCK(unlocked);
	/* core/response_taker.ts #takeAll: ring.consumed = area.consumed; */
	/* core/response_taker.ts #takeAll: const available = ring.available(); */
	d_step { at = consumed[RESPONSES(0)]; count = AVAILABLE(RESPONSES(0)); id = 0 };
	if
	:: count > 0 ->
		/* core/response_taker.ts #takeAll: if (available > asked) throw tooManyResponses(available, asked); */
		assert(count <= ids_in_use);
		/* core/response_taker.ts #takeAll: const response = checkedResponse(this.#words, entryWord(ring.entryOf(ring.consumed)), this.#shadow); */
		/* core/response_taker.ts #takeAll: this.#shadow.answer(idOf(response)); */
		d_step {
			do
			:: AHEAD(at, consumed[RESPONSES(0)]) < count ->
				id = ENTRY(RESPONSES(0), at) - RESPONSE(0);
				assert(id < IDS && asked[id]);
				asked[id] = 0;
				at = NEXT(at)
			:: else -> break
			od;
			id = 0
		};
		/* core/response_taker.ts #publish: area.publish((before + count) | 0); */
		d_step {
			at = (at + INDEX_RANGE - count) % INDEX_RANGE;
			do
			:: id < count ->
				completions!(ENTRY(RESPONSES(0), at) - RESPONSE(0));
				ENTRY(RESPONSES(0), at) = NOTHING;
				at = NEXT(at);
				id++
			:: else -> break
			od;
			id = 0
		};
		/* core/response_taker.ts #publish: area.consumed = this.#ring.consumed; */
		consumed[RESPONSES(0)] = at
	:: count == 0
	fi;
	at = 0;
	/* core/completion_area.ts unlock: Atomics.store(this.#words, LOCK, FREE); */
	locked = 0;
unlocked:
	skip
}

proctype response_thread()
{
	byte count, id, at;

	do
	:: /* core/response_thread.ts service: const found = this.#taker.take(CompletionState.Running); */
		take_responses();
		if
		:: count > 0 ->
			count = 0;
#ifndef BREAK_NOT_TOLD
			/* core/response_thread.ts service: if (this.#area.mustWake()) this.#wake(); */
			/* core/completion_area.ts mustWake: return Atomics.load(this.#words, SLEEPS) === 1 && Atomics.compareExchange(this.#words, SLEEPS, 1, 0) === 1; */
			if
			:: d_step { submitter_sleeps -> submitter_sleeps = 0 };
				wake(APPLICATION_THREAD, RESPONSES(0))
			:: !submitter_sleeps
			fi
#endif
		:: count == 0 ->
			/* core/waiter.ts #maySleep: return this.#mayBlock && this.#events.bell === this.#bellSeen && this.#arm(armDistance, byDescriptor) && !this.#anyReady(); */
			if
			:: rung[RESPONSE_THREAD] -> goto awake
			:: !rung[RESPONSE_THREAD]
			fi;
			/* core/response_thread.ts arm: this.#end.channel.clear(); */
			pending[RESPONSES(0)] = 0;
#ifdef EVENT_INDEX
			/* core/response_thread.ts arm: if (!this.#sleepFlags) return this.#taker.armEvent(distance); */
#ifdef BREAK_ARMED_WITHOUT_LOCK
			at = consumed[RESPONSES(0)];
			d_step { event[RESPONSES(0)] = (at + 1) % INDEX_RANGE; at = 0 };
#else
			/* core/response_taker.ts armEvent: if (!area.tryLock()) return false; */
			TRY_LOCK(awake);
			/* core/response_taker.ts armEvent: ring.arm(Math.max(1, Math.min(distance, this.#asked()))); */
			arm(RESPONSES(0), 1);
#ifndef BREAK_NO_LOOK_UNDER_LOCK
			/* core/response_taker.ts armEvent: const nothing = ring.available() === 0; */
			count = AVAILABLE(RESPONSES(0));
#endif
			locked = 0;
			if
			:: d_step { count > 0 -> count = 0 } -> goto awake
			:: count == 0
			fi;
#endif
#else
			/* core/response_thread.ts arm: this.#ring.arm(1); */
			arm(RESPONSES(0), 1);
#endif
#ifndef BREAK_NO_LOOK_AFTER_ARMING
			/* core/response_taker.ts ready: return ring.available() > 0; */
			if
			:: AVAILABLE(RESPONSES(0)) > 0 -> goto awake
			:: AVAILABLE(RESPONSES(0)) == 0
			fi;
#endif
			sleep_on_bell(RESPONSE_THREAD);
end_asleep:
			IS_AWAKE(RESPONSE_THREAD);
awake:
			/* core/response_thread.ts disarm: this.#ring.disarm(); */
			disarm(RESPONSES(0));
			/* core/waiter.ts #wake: this.#bellSeen = bell; */
			rung[RESPONSE_THREAD] = 0
		fi
	od
}

/* core/handed_responses.ts take: const response = this.#area.read(this.answered); */
/* core/handed_responses.ts take: this.shadow.release(idOf(response)); */
inline take_completion()
{
	completions?id;
	assert(in_use[id] && !asked[id]);
	in_use[id] = 0;
	ids_in_use--;
	id = 0
}

proctype application()
{
	byte from, count, id, at;

	do
	:: d_step { ids_in_use < IDS ->
			/* core/shadow_table.ts assign: const id = this.#ids[this.idsInUse++]; */
			id = produced[REQUESTS(0)] % IDS;
			do
			:: in_use[id] -> id = (id + 1) % IDS
			:: else -> break
			od;
			in_use[id] = 1;
			ids_in_use++;
			/* core/shadow_table.ts assign: this.#slotOfId[id] = slot; */
			asked[id] = 1;
			assert(ENTRY(REQUESTS(0), produced[REQUESTS(0)]) == NOTHING);
			ENTRY(REQUESTS(0), produced[REQUESTS(0)]) = REQUEST(id);
			produced[REQUESTS(0)] = NEXT(produced[REQUESTS(0)]);
			id = 0
		};
#ifdef BATCH
		/* core/frontend.ts submit: if (++this.#unpublished >= this.#batch) this.#publishEarly(); */
		if
		:: push(REQUESTS(0))
		:: skip
		fi
#endif

	:: ids_in_use > 0 ->
poll:
		/* core/handed_responses.ts see: let count = this.#queued(); */
		if
		:: d_step { nempty(completions) -> take_completion() }
		:: empty(completions) ->
			/* core/frontend.ts #publish: if (!ring.unpushed) return; */
			if
			:: IS_UNPUSHED(REQUESTS(0)) -> push(REQUESTS(0))
			:: !IS_UNPUSHED(REQUESTS(0))
			fi;
			/* core/handed_responses.ts see: this.#taker.take(CompletionState.Running); */
			if
			:: take_responses(); count = 0
			:: skip
			fi;
			if
			:: d_step { nempty(completions) -> take_completion() }
			/* A workload that only polls goes on with something else. */
			:: empty(completions)
			:: empty(completions) ->
				if
				:: rung[APPLICATION_THREAD] -> goto awake
				:: !rung[APPLICATION_THREAD]
				fi;
				/* core/completion_area.ts fallAsleep: Atomics.store(this.#words, SLEEPS, 1); */
				submitter_sleeps = 1;
#ifndef BREAK_NO_LOOK_AT_QUEUE
				/* core/handed_responses.ts ready: return this.#queued() > 0 || this.#area.state === CompletionState.Broken; */
				if
				:: nempty(completions) -> goto awake
				:: empty(completions)
				fi;
#endif
				sleep_on_bell(APPLICATION_THREAD);
				IS_AWAKE(APPLICATION_THREAD);
awake:
				/* core/completion_area.ts awake: Atomics.store(this.#words, SLEEPS, 0); */
				submitter_sleeps = 0;
				rung[APPLICATION_THREAD] = 0;
				goto poll
			fi
		fi

	:: ids_in_use == 0 ->
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
