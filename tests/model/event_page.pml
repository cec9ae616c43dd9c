/*
 * Event pages: the doorbell on which a thread sleeps, and the pending word of each port.
 *
 * The bell is a counter that is only ever compared with a copy of it, so what counts is whether it rang since the copy
 * was made: one bit. (That 2^32 rings in between go unnoticed is left out.) No port is ever masked, in the code as here.
 * A sleep has no timeout: what the 100 ms of the code would mend is an error of the model.
 *
 * A port is named by the direction of the ring whose consumer it wakes: see ring.pml. Who includes this says by
 * RANG(page, tells) what else a ring changes; `tells` says what the ringer has published.
 */

/* Whether the bell of a page is another than its waiter's copy. */
bit rung[PAGES];
/* Whether the owner of a page is in the kernel's queue of those that sleep on the bell. */
bit asleep[PAGES];
bit pending[DIRECTIONS];
#ifdef DESCRIPTOR
/* What the owner says of itself, and whether its eventfd is readable. */
bit on_descriptor[PAGES];
bit eventfd[PAGES];
#endif

inline wake(page, tells)
{
	/* core/event_channel.ts wake: Atomics.add(this.#words, BELL, 1); */
	d_step { rung[page] = 1; RANG(page, tells) };
	/* core/event_channel.ts wake: Atomics.notify(this.#words, BELL); */
	asleep[page] = 0;
#ifdef DESCRIPTOR
	/* core/event_channel.ts wake: if (this.#eventFd !== null && this.isOnDescriptor) this.#eventFd.ring(); */
	if
	:: on_descriptor[page] -> eventfd[page] = 1
	:: !on_descriptor[page]
	fi
#endif
}

inline raise(direction)
{
	/* core/event_channel.ts raise: const wasPending = Atomics.exchange(this.#words, PENDING + port, 1); */
	/* core/event_channel.ts raise: if (wasPending === 0 && Atomics.load(this.#words, MASKED + port) === 0) this.wake(); */
	if
	:: pending[direction]
	:: d_step { !pending[direction] -> pending[direction] = 1 };
		wake(PAGE_OF(direction), direction)
	fi
}

/* Sleeps on the bell itself: this, then IS_AWAKE. They are two so that an end there can be marked as valid. */
inline sleep_on_bell(page)
{
	/* core/event_channel.ts sleep: Atomics.wait(this.#words, BELL, seen, timeoutMs); */
#ifdef BREAK_SLEEP_UNSEEN
	asleep[page] = 1
#else
	asleep[page] = !rung[page]
#endif
}
#define IS_AWAKE(page) (!asleep[page])
