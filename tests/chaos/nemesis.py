"""What goes wrong: one thing after another, several at once, chosen by a seed, and all of it written down."""

import dataclasses
import heapq
import itertools
import time

# A paused or silent replica loses its lease after about three and a half seconds: some of these are longer, some not.
LEASE_S = 3.5


@dataclasses.dataclass
class Harm:
    what: str
    victim: str | None  # a replica's name; None: everybody
    began: float  # seconds since 1970
    ended: float | None = None

    def overlaps(self, begin, end):
        return self.began <= end and (self.ended is None or self.ended >= begin)


class Nemesis:
    """`sites`: where the replicas live (replicas_test.py). Everything happens on the caller's thread, in `act`."""

    def __init__(self, sites, databases, effects, random):
        self.sites = sites
        self.databases = databases
        self.effects = effects
        self.random = random
        self.history = []
        self.busy = set()  # names of sites, and "effects", to which something is being done
        self._repairs = []  # (when, number, repair): a heap
        self._number = itertools.count()
        self.harms = {
            self.kill: 5,
            self.hand_over: 2,
            self.pause: 4,
            self.break_commits: 5,
            self.cut_connections: 3,
            self.silence: 3,
            self.cut_network: 4,
            self.slow_down: 2,
            self.trouble_effects: 2,
            self.fail_over: 1,
        }

    def act(self):
        """Repairs what is due, and does one more harm."""
        self.repair(time.monotonic())
        (harm,) = self.random.choices(list(self.harms), weights=self.harms.values())
        harm()

    def repair(self, until=float("inf")):
        """What should have ended by then ends: without a time, everything."""
        while self._repairs and self._repairs[0][0] <= until:
            heapq.heappop(self._repairs)[2]()

    def freeze_all_but_one(self):
        """Random harm heals by itself, and hides what only goes on because of that. So one replica stays whole, and the
        others stand still in the middle of something, until everything is repaired."""
        for site in self.random.sample(self.sites, len(self.sites) - 1):
            what, harm, repair = self.random.choice((
                ("freeze: pause", lambda site: site.replica.pause(), lambda site: site.replica.resume()),
                ("freeze: kill", lambda site: site.replica.kill(), lambda site: site.replica.start()),
                ("freeze: silence", lambda site: site.set_silent(True), lambda site: site.set_silent(False)),
                ("freeze: cut network", lambda site: site.cut_network(), lambda site: site.mend_network()),
            ))  # fmt: skip
            self._harm_site(what, harm, repair, float("inf"), site)

    def is_harmed(self, replica, begin, end):
        """Whether something was done to the replica, or to all, at any time between."""
        return any(harm.victim in (None, replica) and harm.overlaps(begin, end) for harm in self.history)

    def anything_between(self, begin, end):
        return any(harm.overlaps(begin, end) for harm in self.history)

    def describe(self, last=40):
        return "\n".join(
            f"  {time.strftime('%H:%M:%S', time.gmtime(harm.began))}.{int(harm.began % 1 * 1000):03} {harm.what} "
            f"{harm.victim or ''} {f'{harm.ended - harm.began:.1f} s' if harm.ended else 'not ended'}"
            for harm in self.history[-last:]
        )

    # ---- what can happen

    def kill(self):
        def revive(site):
            site.replica.start()

        self._harm_site("kill -9", lambda site: site.replica.kill(), revive, self.random.uniform(0, 1.5))

    def hand_over(self):
        def stop(site):
            site.replica.stop(patience_s=10)

        self._harm_site("hand over", stop, lambda site: site.replica.start(), self.random.uniform(0, 0.5))

    def pause(self):
        self._harm_site("pause", lambda site: site.replica.pause(), lambda site: site.replica.resume(),
                        self._seconds_around_the_lease())  # fmt: skip

    def break_commits(self):
        chances = {fault: self.random.choice((0, 0.02, 0.2)) for fault in ("before_commit", "during_commit", "after_commit")}
        self._harm_site(f"break commits {chances}", lambda site: site.set_faults(chances), lambda site: site.set_faults({}),
                        self.random.uniform(0.5, 5))  # fmt: skip

    def cut_connections(self):
        self._harm_site("cut connections", lambda site: site.cut_connections(), lambda site: None, 0)

    def silence(self):
        """The database's side of the network swallows everything, in the middle of whatever is under way."""
        self._harm_site("silence", lambda site: site.set_silent(True), lambda site: site.set_silent(False),
                        self._seconds_around_the_lease())  # fmt: skip

    def cut_network(self):
        self._harm_site("cut network", lambda site: site.cut_network(), lambda site: site.mend_network(),
                        self._seconds_around_the_lease())  # fmt: skip

    def slow_down(self):
        delay = self.random.choice((0.01, 0.05, 0.3))
        self._harm_site(f"slow by {delay} s", lambda site: site.set_delay(delay), lambda site: site.set_delay(0),
                        self.random.uniform(0.5, 4))  # fmt: skip

    def trouble_effects(self):
        """No harm in the sense of `is_harmed`: calls that were lost are known one by one."""
        if "effects" in self.busy:
            return
        self.busy.add("effects")
        self.effects.set_trouble(self.random.choice((0.05, 0.3, 0.9)))

        def end():
            self.effects.set_trouble(0)
            self.busy.discard("effects")

        self._later(self.random.uniform(0.5, 3), end)

    def fail_over(self):
        """The primary dies, the standby takes its place. Returns when there is a standby again."""
        harm = self._write_down("fail over", None)
        self.databases.fail_over(lambda server: [site.follow(server) for site in self.sites])
        harm.ended = time.time()

    # ----

    def _seconds_around_the_lease(self):
        return self.random.choice((self.random.uniform(0.1, 1), self.random.uniform(LEASE_S, 3 * LEASE_S)))

    def _harm_site(self, what, harm, repair, seconds, site=None):
        idle = [site for site in self.sites if site.name not in self.busy]
        if not idle:
            return
        site = site or self.random.choice(idle)
        self.busy.add(site.name)
        record = self._write_down(what, site.name)
        harm(site)

        def end():
            repair(site)
            record.ended = time.time()
            self.busy.discard(site.name)

        self._later(seconds, end)

    def _later(self, seconds, repair):
        heapq.heappush(self._repairs, (time.monotonic() + seconds, next(self._number), repair))

    def _write_down(self, what, victim):
        self.history.append(Harm(what, victim, time.time()))
        return self.history[-1]
