/*
 * The steps by which one thread waits for all its sources: spin, arm all, look at all again, sleep on the one doorbell.
 *
 * A wait is begin_wait; for each source arm_source; for each source look_again; fall_asleep; ASLEEP; end_sleep; for each
 * source disarm; end_wait. A source is a direction of a ring whose consumer the thread is. The caller has a byte `distance`,
 * which is 1, and a bit `readable`.
 *
 * A spin of any length is one look that sees something, or none: a look changes nothing, so looks that see nothing are
 * left out. Looks of a spin are plain loads, which may be late: a spin may end without having seen what is there.
 */

inline begin_wait(page, is_there)
{
	/* core/waiter.ts #spin: if (this.#peekAny()) { */
	/* core/ring.ts peek: return this.#words[this.#peerProducer] !== this.consumed; */
	/* core/waiter.ts #maySleep: return this.#mayBlock && this.#events.bell === this.#bellSeen && this.#arm(armDistance, byDescriptor) && !this.#anyReady(); */
	if
	:: (is_there) -> goto waited
	:: rung[page] -> goto awake
	:: !rung[page]
	fi
}

/* `most` is the largest distance that it may ask for. */
inline arm_source(direction, most)
{
	/* core/waiter.ts #arm: canSleep = (sources[i].arm(distance) || (byDescriptor && this.wakesBy(sources[i]))) && canSleep; */
#ifndef BREAK_CLEAR_AFTER_LOOK
	/* core/event_channel.ts clear: Atomics.store(this.#words, PENDING + port, 0); */
	pending[direction] = 0;
#endif
	atomic {
#ifdef EVENT_INDEX
		/* core/ring_responses.ts arm: this.#ring.arm(Math.max(1, Math.min(distance, this.#shadow.idsInUse))); */
		/* core/backend.ts arm: this.#ring.arm(Math.max(1, Math.min(distance, this.#layout.entryCount))); */
		do
		:: distance < (most) -> distance++
		:: break
		od;
#endif
		arm(direction, distance);
		distance = 1
	}
}

inline look_again(direction)
{
#ifndef BREAK_NO_LOOK_AGAIN
	/* core/waiter.ts #anyReady: if (sources[i].ready()) return true; */
	/* core/ring_responses.ts ready: return this.#ring.available() > 0; */
	/* core/backend.ts ready: return !this.#abandoned && this.#ring.available() > 0; */
	if
	:: d_step { AVAILABLE(direction) > 0 -> SEEN(direction) } -> goto awake
	:: d_step { AVAILABLE(direction) == 0 -> SEEN(direction) }
	fi
#else
	skip
#endif
#ifdef BREAK_CLEAR_AFTER_LOOK
	; pending[direction] = 0
#endif
}

inline fall_asleep(page)
{
#ifdef BREAK_BELL_SEEN_LATE
	rung[page] = 0;
#endif
#ifdef DESCRIPTOR
#ifdef BREAK_LOOK_THEN_SAY
	if
	:: rung[page] -> goto awake
	:: !rung[page]
	fi;
	on_descriptor[page] = 1
#else
	/* core/fd_waiter.ts block: this.#events.sleepsOnDescriptor(true); */
	/* core/event_channel.ts sleepsOnDescriptor: Atomics.store(this.#words, ON_DESCRIPTOR, does ? 1 : 0); */
	on_descriptor[page] = 1;
	/* core/fd_waiter.ts block: if (this.#events.bell === seen) { */
	if
	:: rung[page] -> goto said
	:: !rung[page]
	fi
#endif
#else
	sleep_on_bell(page)
#endif
}

#ifdef DESCRIPTOR
/* core/fd_waiter.ts block: this.#library.symbols.ppoll(this.#polled, this.#polled.length / POLLFD_WORDS, this.#timeout, null); */
#define ASLEEP(page) d_step { eventfd[page] || DEVICE_HAS_FINISHED(page) -> readable = eventfd[page] }
#else
#define ASLEEP(page) IS_AWAKE(page)
#endif

inline end_sleep(page)
{
	skip;
#ifdef DESCRIPTOR
said:
	/* core/fd_waiter.ts block: this.#events.sleepsOnDescriptor(false); */
	on_descriptor[page] = 0;
	/* core/fd_waiter.ts block: if ((this.#polled[1] >>> 16) !== 0) this.#doorbell.drain(); */
	if
	:: d_step { readable -> eventfd[page] = 0; readable = 0 }
	:: !readable
	fi;
#endif
awake:
	skip
}

inline end_wait(page)
{
	/* core/waiter.ts #wake: const { bell } = this.#events; */
	/* core/waiter.ts #wake: this.#bellSeen = bell; */
	d_step { rung[page] = 0; BELL_SEEN(page) };
waited:
	skip
}
