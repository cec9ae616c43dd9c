/*
 * One driver thread that serves one ring or two, and one application thread at the other end of each.
 *
 * RINGS 1 or 2; RING_SIZE; EVENT_INDEX, else sleep flags.
 * DESCRIPTOR: threads sleep on descriptors, and the device completes requests later, in any order.
 * STOP: the hypervisor commands all domains to stop, at any time. Without it, an application goes on for ever, or rests
 * for ever with nothing in flight, or leaves.
 *
 * Applications submit without an end, so indices wrap. That each may rest at any time makes every lost wake-up a
 * deadlock: there is a run in which nobody rings by chance.
 */

#define DIRECTIONS (2 * RINGS)
#define PAGES (1 + RINGS)
#define DRIVER 0
#define APPLICATION(ring) (1 + (ring))
#define PAGE_OF(direction) ((direction) % 2 == 0 -> DRIVER : APPLICATION((direction) / 2))

#ifdef LEAVE
#define WITHOUT_LEAVE 0
#else
#define WITHOUT_LEAVE 1
#endif
/* The driver's own copy of the bell, by which it knows that it must ask who has left. */
bit rung_for_look = WITHOUT_LEAVE;
bit stop[PAGES];

/*
 * LATE: a plain load may be late until an atomic one has read what was written after it: the index itself, or the bell
 * that was rung later. The driver relies on plain loads, so here is what they cannot but see: requests of each ring, and
 * the command to stop. The `news` are what was there when the bell was rung. Else plain loads are never late.
 */
#define COMMAND DIRECTIONS
#ifdef LATE
bit must_see[RINGS];
bit news[RINGS];
bit must_see_stop, stop_news;
#define MUST_SEE(ring) must_see[ring]
#define MUST_SEE_STOP must_see_stop
#define RANG(page, tells) \
	if \
	:: page == DRIVER && tells == COMMAND -> rung_for_look = 1; stop_news = 1 \
	:: page == DRIVER && tells != COMMAND -> \
		rung_for_look = 1; news[(tells % DIRECTIONS) / 2] = IS_THERE(tells % DIRECTIONS) \
	:: else \
	fi
#define HEED(ring) must_see[ring] = must_see[ring] || news[ring]; news[ring] = 0
#define BELL_SEEN(page) \
	if \
	:: page == DRIVER -> HEED(0); HEED(RINGS - 1); must_see_stop = stop_news \
	:: else \
	fi
#define SEEN(direction) \
	if \
	:: (direction) % 2 == 0 -> must_see[(direction) / 2] = IS_THERE(direction); news[(direction) / 2] = 0 \
	:: else \
	fi
#else
#define MUST_SEE(ring) IS_THERE(REQUESTS(ring))
#define MUST_SEE_STOP stop[DRIVER]
#define RANG(page, tells) rung_for_look = rung_for_look || page == DRIVER
#define BELL_SEEN(page) skip
#define SEEN(direction) skip
#endif

/* How many requests the device has finished that were not asked for. Only one that completes later has any. */
#ifdef DESCRIPTOR
byte finished_count;
#define DEVICE_HAS_FINISHED(page) (page == DRIVER && finished_count > 0)
#else
#define DEVICE_HAS_FINISHED(page) false
#endif

#include "ring.pml"
#include "event_page.pml"
#include "waiter.pml"

/* Ids that were asked for and not answered; those that the driver has; those of them that its device has finished. */
bit asked[RINGS * IDS];
bit in_driver[RINGS * IDS];
bit finished[RINGS * IDS];
#define IN_FLIGHT(ring) AHEAD(produced[REQUESTS(ring)], consumed[RESPONSES(ring)])

bit leaving[RINGS];
bit closed[RINGS];

#include "driver.pml"
#include "application.pml"

#ifdef STOP
active proctype hypervisor()
{
	byte page, tells;

	do
	:: page < PAGES ->
		/* core/domain/control.ts send: if (command > this.command) Atomics.store(this.#words, COMMAND, command); */
		stop[page] = 1;
		/* core/domain/control.ts send: this.#events.wake(); */
#ifndef BREAK_STOP_UNRUNG
		tells = (page == DRIVER -> COMMAND : RESPONSES(page - 1));
		wake(page, tells);
#endif
		page++
	:: page == PAGES -> break
	od
}
#endif

init
{
	atomic {
		run driver();
#if RINGS > 1
		run application(1, SECOND_SLEEPS);
#endif
		run application(0, true)
	}
}

ltl completed { [] (asked[0] -> <> !asked[0]) }
