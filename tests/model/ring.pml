/*
 * The shared ring, and the suppression of notifications that nobody waits for.
 *
 * A ring has two directions: requests (0, of a second ring 2) and responses (1, of a second ring 3). Each has one
 * producer and one consumer; the arrays below are indexed by it. Indices run freely, modulo INDEX_RANGE in place of 2^32:
 * a model without an end passes that many times. `produced` and `consumed` are private to the end that they belong to,
 * all else is shared. All accesses are atomic ones and sequentially consistent, so Promela's interleaving is theirs.
 */

/* At least this much, as an event that is yet to come is so far ahead at most: then it looks like none that was passed. */
#ifndef INDEX_RANGE
#define INDEX_RANGE (2 * RING_SIZE)
#endif
#define REQUESTS(ring) (2 * (ring))
#define RESPONSES(ring) (2 * (ring) + 1)

/* (to - from) >>> 0 */
#define AHEAD(to, from) (((to) + INDEX_RANGE - (from)) % INDEX_RANGE)
#define NEXT(index) (((index) + 1) % INDEX_RANGE)
/* core/ring.ts crossesEvent: return ((to - event) >>> 0) < ((to - from) >>> 0); */
#define CROSSES(event, from, to) (event != PASSED && AHEAD(to, event) < AHEAD(to, from))
/*
 * An event that its producer has passed. The code leaves it as it is, and would meet it again after 2^32 entries, with a
 * notification too many; here that would be soon, and hide what is looked for.
 */
#define PASSED 255
#ifdef EVENT_INDEX
#define FORGET_IF_PASSED(direction, from) \
	if \
	:: event[direction] == PASSED || AHEAD(event[direction], from) == 0 || AHEAD(event[direction], from) > RING_SIZE -> \
		event[direction] = PASSED \
	:: else \
	fi
#else
#define FORGET_IF_PASSED(direction, from) skip
#endif
/* core/ring.ts available: return (Atomics.load(this.#words, this.#peerProducer) - this.consumed) >>> 0; */
#define AVAILABLE(direction) AHEAD(producer[direction], consumed[direction])
#define IS_UNPUSHED(direction) (produced[direction] != producer[direction])
#define IS_THERE(direction) (producer[direction] != consumed[direction])
/* core/ring.ts entryOf: return index & this.#mask; */
#define ENTRY(direction, index) entry[((direction) / 2) * RING_SIZE + (index) % RING_SIZE]

byte produced[DIRECTIONS];
byte consumed[DIRECTIONS];
byte producer[DIRECTIONS];
#ifdef EVENT_INDEX
/* core/ring.ts initialiseRing: Atomics.store(words, REQ_EVENT, 1); */
/* core/ring.ts initialiseRing: Atomics.store(words, RSP_EVENT, 1); */
byte event[DIRECTIONS] = 1;
#else
#define RUNNING 0
#define SLEEPING 1
bit flag[DIRECTIONS];
#endif

/* What is in an entry: the request or the response of an id, until it was taken. There is an id for each entry. */
#ifdef BREAK_OVERRUN
#define IDS (RING_SIZE + 1)
#else
#define IDS RING_SIZE
#endif
#define NOTHING 0
#define REQUEST(id) (1 + (id))
#define RESPONSE(id) (1 + IDS + (id))
byte entry[RINGS * RING_SIZE];

/* Publishes what was produced, and notifies the consumer if it asked for it. `from` is a local byte of the caller. */
inline push(direction)
{
	/* core/ring.ts push: const from = this.#published; */
	/* core/ring.ts push: Atomics.exchange(this.#words, this.#ownProducer, to); */
	d_step {
#ifdef BREAK_RANGE
		producer[direction] = produced[direction];
		from = producer[direction]
#else
		from = producer[direction];
		FORGET_IF_PASSED(direction, from);
		producer[direction] = produced[direction]
#endif
	};
#ifdef EVENT_INDEX
	/* core/ring.ts push: if (this.#flags === null) return crossesEvent(Atomics.load(this.#words, this.#peerEvent), from, to); */
	if
	:: d_step { CROSSES(event[direction], from, produced[direction]) -> event[direction] = PASSED; from = 0 };
		/* core/link_end.ts pushAndNotify: channel.notify(); */
		/* core/event_channel.ts notify: this.#remote.raise(this.#remotePort); */
		raise(direction)
	:: d_step { !CROSSES(event[direction], from, produced[direction]) -> from = 0 }
	fi
#else
	from = 0;
	/* core/ring.ts push: return Atomics.load(this.#flags, this.#peerFlag) === SLEEPING && */
	if
	:: flag[direction] == SLEEPING ->
#ifdef FLAG_STORED
		/* No change of the code is meant: only that the exchange is not what keeps a wake-up from being lost. */
		flag[direction] = RUNNING;
		raise(direction)
#else
		/* core/ring.ts push: Atomics.compareExchange(this.#flags, this.#peerFlag, SLEEPING, RUNNING) === SLEEPING; */
		if
		:: d_step { flag[direction] == SLEEPING -> flag[direction] = RUNNING };
			raise(direction)
		:: flag[direction] == RUNNING
		fi
#endif
	:: flag[direction] == RUNNING
#ifdef BREAK_FLAG_BLINDLY
		-> flag[direction] = RUNNING
#endif
	fi
#endif
}

/* Asks for a notification once `distance` more entries are there. */
inline arm(direction, distance)
{
#ifdef EVENT_INDEX
	/* core/ring.ts arm: if (this.#flags === null) Atomics.store(this.#words, this.#ownEvent, (this.consumed + distance) | 0); */
	event[direction] = (consumed[direction] + distance) % INDEX_RANGE
#else
	/* core/ring.ts arm: else Atomics.store(this.#flags, this.#ownFlag, SLEEPING); */
	flag[direction] = SLEEPING
#endif
}

inline disarm(direction)
{
#ifdef EVENT_INDEX
	skip
#else
	/* core/ring.ts disarm: if (this.#flags !== null) Atomics.store(this.#flags, this.#ownFlag, RUNNING); */
	flag[direction] = RUNNING
#endif
}
