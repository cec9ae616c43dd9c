/*
 * A driver that ends at any point of its work, and is restarted: its requests are reissued, each is completed once.
 *
 * The rules, which any code that does so must follow:
 *
 * 1. Before a new driver begins, the old one has ended: nothing of it can still write (the fence).
 * 2. Each driver has a generation. The hypervisor says which is the current one, then rings the application.
 * 3. The application, seeing a new generation, forgets which responses it has seen, resets the ring, writes all requests
 *    in flight anew in the order in which they were submitted, and only then says that it is connected to that generation.
 * 4. A driver looks at the ring only after the application is connected to the driver's own generation.
 *
 * A request may be executed twice, so it must be such that this does no harm, as all of a block device are. A flush is
 * executed after all writes that were submitted before it, however often the driver ended meanwhile.
 *
 * RESTARTS: how often the driver ends at most.
 */

#define RINGS 1
#define DIRECTIONS 2
#define PAGES 2
#define DRIVER 0
#define APPLICATION 1
#define PAGE_OF(direction) ((direction) == REQUESTS(0) -> DRIVER : APPLICATION)
#define RANG(page, tells) skip
#define BELL_SEEN(page) skip
#define SEEN(direction) skip
#define DEVICE_HAS_FINISHED(page) false

#include "ring.pml"
#include "event_page.pml"
#include "waiter.pml"

#define IN_FLIGHT AHEAD(produced[REQUESTS(0)], consumed[RESPONSES(0)])

/* Words between the hypervisor and the application, and between the application and the driver. */
byte generation;
#define NOBODY 255
byte connected_to = NOBODY;
/* Whether the driver was told to end, or is about to; whether it has. */
bit killed[RESTARTS + 1];
bit ended[RESTARTS + 1];

/* The application's: ids in flight; the order in which they were submitted; which of them are flushes. */
bit asked[IDS];
byte order[RING_SIZE];
bit is_flush[IDS];
/* The medium's: what was executed since it was submitted. */
bit executed[IDS];

/* Takes one request, executes and answers it. Each of these is a step after which the driver may end. */
inline serve_one()
{
	d_step {
		id = ENTRY(REQUESTS(0), consumed[REQUESTS(0)]) - REQUEST(0);
		assert(id < IDS);
		taken = 1;
		consumed[REQUESTS(0)] = NEXT(consumed[REQUESTS(0)])
	};
	d_step {
		/* In the order of submission, whatever was submitted before a flush is executed before it. */
		if
		:: is_flush[id] ->
			index = 0;
			do
			:: index < RING_SIZE && order[index] != REQUEST(id) && order[index] != NOTHING ->
				assert(executed[order[index] - REQUEST(0)]);
				index++
			:: else -> break
			od;
			index = 0
		:: else
		fi;
		executed[id] = 1
	};
	d_step {
		ENTRY(RESPONSES(0), produced[RESPONSES(0)]) = RESPONSE(id);
		produced[RESPONSES(0)] = NEXT(produced[RESPONSES(0)]);
		taken = 0;
		id = 0
	}
}

proctype driver(byte own)
{
	byte from, id, index, at;
	byte distance = 1;
	bit taken, readable;

	{
		d_step {
			produced[RESPONSES(0)] = 0;
			consumed[REQUESTS(0)] = 0
		};
		disarm(REQUESTS(0));
		do
		/* core/link_end.ts awaitPeerState: const bell = end.events.bell; */
		:: rung[DRIVER] = 0;
			/* core/link_end.ts awaitPeerState: end.channel.clear(); */
			pending[REQUESTS(0)] = 0;
			if
#ifdef BREAK_ANY_GENERATION
			:: connected_to != NOBODY -> break
			:: connected_to == NOBODY
#else
			:: connected_to == own -> break
			:: connected_to != own
#endif
			fi;
			/* core/link_end.ts awaitPeerState: end.events.sleep(bell, LOOK_MS); */
			sleep_on_bell(DRIVER);
end_unconnected:
			IS_AWAKE(DRIVER)
		od;
		do
		:: IS_THERE(REQUESTS(0)) ->
			serve_one();
			if
			:: push(RESPONSES(0))
			:: IS_THERE(REQUESTS(0))
			fi
		:: !IS_THERE(REQUESTS(0)) ->
			begin_wait(DRIVER, IS_THERE(REQUESTS(0)));
			arm_source(REQUESTS(0), 1);
			look_again(REQUESTS(0));
			fall_asleep(DRIVER);
end_asleep:
			ASLEEP(DRIVER);
			end_sleep(DRIVER);
			disarm(REQUESTS(0));
			end_wait(DRIVER)
		od
	} unless {
		killed[own] ->
#ifdef BREAK_NO_FENCE
		/* Taken for dead, it writes one more answer. */
		d_step { ended[own] = 1; at = produced[RESPONSES(0)] };
		if
		:: taken ->
			ENTRY(RESPONSES(0), at) = RESPONSE(id);
			producer[RESPONSES(0)] = NEXT(at)
		:: !taken
		fi
#else
		/* The kernel takes it out of the queue of those that sleep. */
		d_step { ended[own] = 1; asleep[DRIVER] = 0 }
#endif
	}
}

active proctype hypervisor()
{
	byte current;

	run driver(0);
	do
	:: current < RESTARTS ->
		/* It crashed; or it hangs, or an operator wants another, and it is ended. */
		killed[current] = 1;
		ended[current];
		current++;
		generation = current;
#ifndef BREAK_RESTART_UNRUNG
		wake(APPLICATION, RESPONSES(0));
#endif
		run driver(current)
	/* Or it never ends again. */
	:: break
	od
}

inline write_request(id)
{
	assert(ENTRY(REQUESTS(0), produced[REQUESTS(0)]) == NOTHING);
	ENTRY(REQUESTS(0), produced[REQUESTS(0)]) = REQUEST(id);
	produced[REQUESTS(0)] = NEXT(produced[REQUESTS(0)])
}

/* Connects to the current driver. The words of the ring are reset one by one: nobody looks at them. */
inline reconnect()
{
	own = generation;
	d_step {
		produced[REQUESTS(0)] = 0;
		consumed[RESPONSES(0)] = 0;
		index = 0;
		do
		:: index < RING_SIZE -> entry[index] = NOTHING; index++
		:: else -> break
		od;
		index = 0
	};
	/* core/ring.ts initialiseRing: words.fill(0, 0, RING_HEADER_BYTES / 4); */
	producer[REQUESTS(0)] = 0;
	producer[RESPONSES(0)] = 0;
#ifdef EVENT_INDEX
	/* core/ring.ts initialiseRing: Atomics.store(words, REQ_EVENT, 1); */
	event[REQUESTS(0)] = 1;
	/* core/ring.ts initialiseRing: Atomics.store(words, RSP_EVENT, 1); */
	event[RESPONSES(0)] = 1;
#endif
	d_step {
		do
#ifdef BREAK_REISSUE_BY_ID
		:: index < IDS ->
			if
			:: asked[index] -> write_request(index)
			:: else
			fi;
			index++
		:: else -> break
#else
		:: index < RING_SIZE && order[index] != NOTHING -> write_request(order[index] - REQUEST(0)); index++
		:: else -> break
#endif
		od;
		index = 0
	};
	connected_to = own;
	wake(DRIVER, REQUESTS(0));
	if
	:: IS_UNPUSHED(REQUESTS(0)) -> push(REQUESTS(0))
	:: !IS_UNPUSHED(REQUESTS(0))
	fi
}

inline submit_one()
{
	id = produced[REQUESTS(0)] % IDS;
	do
	:: asked[id] -> id = (id + 1) % IDS
	:: else -> break
	od;
	asked[id] = 1;
	executed[id] = 0;
	index = 0;
	do
	:: order[index] != NOTHING -> index++
	:: else -> break
	od;
	order[index] = REQUEST(id);
	is_flush[id] = flush;
	write_request(id);
	index = 0;
	flush = 0;
	id = 0
}

inline take_one()
{
	id = ENTRY(RESPONSES(0), consumed[RESPONSES(0)]) - RESPONSE(0);
	/* What was not asked for, or was answered before, is not answered. */
	assert(id < IDS && asked[id]);
#ifndef BREAK_NO_FENCE
	/* What is answered was done. (Not what is looked for without the fence.) */
	assert(executed[id]);
#endif
	asked[id] = 0;
	is_flush[id] = 0;
	executed[id] = 0;
	ENTRY(RESPONSES(0), consumed[RESPONSES(0)]) = NOTHING;
	consumed[RESPONSES(0)] = NEXT(consumed[RESPONSES(0)]);
	index = 0;
	do
	:: order[index] != REQUEST(id) -> index++
	:: else -> break
	od;
	do
	:: index + 1 < RING_SIZE -> order[index] = order[index + 1]; index++
	:: else -> break
	od;
	order[index] = NOTHING;
	index = 0;
	id = 0
}

active proctype application()
{
	byte from, id, index, responses_seen, own;
	byte distance = 1;
	bit readable, flush;

connect:
	reconnect();
	do
	:: IN_FLIGHT < RING_SIZE ->
		if
		:: flush = 0
		:: flush = 1
		fi;
		d_step { submit_one() }

	:: IN_FLIGHT > 0 ->
poll:
		if
		:: generation != own -> goto connect
		:: generation == own
		fi;
		/* core/frontend.ts poll: this.#publish(); */
		if
		:: IS_UNPUSHED(REQUESTS(0)) -> push(REQUESTS(0))
		:: !IS_UNPUSHED(REQUESTS(0))
		fi;
		/* core/frontend.ts poll: this.#responsesSeen = this.#ring.available(); */
		d_step {
			responses_seen = AVAILABLE(RESPONSES(0));
#ifndef BREAK_NO_FENCE
			/* core/frontend.ts poll: if (this.#responsesSeen > asked) { */
			assert(responses_seen <= IN_FLIGHT)
#endif
		};
		if
		:: d_step { responses_seen > 0 -> responses_seen = 0; take_one() }
		:: responses_seen == 0
		:: responses_seen == 0 ->
			begin_wait(APPLICATION, IS_THERE(RESPONSES(0)));
			arm_source(RESPONSES(0), IN_FLIGHT);
			look_again(RESPONSES(0));
			fall_asleep(APPLICATION);
			ASLEEP(APPLICATION);
			end_sleep(APPLICATION);
			disarm(RESPONSES(0));
			end_wait(APPLICATION);
			goto poll
		fi

	:: IN_FLIGHT == 0 ->
end_of_rest:
		false
	od
}
