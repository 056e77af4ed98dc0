#pragma once
// This process among the replicas that share one database: its lease, its fence, and who else has gone.
//
// A replica is a row of `replicas`, one for each life of a process. It shows that it lives by counting its row's `beat`
// up. Who has not done so over several looks of another one is evicted: its row is deleted, and its runs are for the
// others to take. Every commit of a replica first locks its own row for sharing (hold_lease), so an eviction waits for
// the commits under way and shuts out every later one: a replica that was paused, or that nobody could reach, changes
// nothing when it comes back. No clock is compared with another's: looks are counted, not times.
//
// For the event loop's thread; `hold_lease` is for the store's.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/id.h"
#include "store/store.h"

namespace slipway::durable {

using base::Duration;
using base::Instant;
using base::ReplicaId;

inline constexpr Duration kBeatEvery{500};
inline constexpr int kSilentLooksMax = 6;
// Else who evicts a paused replica would wait for its locks.
static_assert(store::kSilenceMax < kBeatEvery * kSilentLooksMax);

struct LeaseOptions {
  std::string name;                  // for people: host and process
  bool sole = false;                 // nobody else can use this database: every other row is of a former life of ours
  Duration beat_every = kBeatEvery;  // also how often the others are looked at
  int silent_looks_max = kSilentLooksMax;  // so a dead replica is known after three seconds to three and a half
};

// Throws REPLICA_FENCED (transient) unless the replica's lease stands; nobody can take it before this transaction ends.
void hold_lease(store::Transaction& tx, const ReplicaId& replica);

// Replicas that have a lease, or did a moment ago.
std::int64_t count_replicas(store::Transaction& tx);

// Of all replicas the one that has been there longest: it does what one of them should do. A hint: two may hold
// themselves for it for a moment.
bool is_eldest(store::Transaction& tx, const ReplicaId& replica);

// What may be asked of a lease from any thread, also when its engine is gone.
class Lease {
 public:
  Lease(const base::Clock& clock, Duration sure_for) : clock_(clock), sure_for_(sure_for) {}
  // It was confirmed so lately that nobody can have taken it yet: work for the outside may begin.
  bool is_sure() const { return held_ && base::to_unix_ms(clock_.monotonic()) - confirmed_at_ < sure_for_.count(); }
  bool is_held() const { return held_; }

 private:
  friend class Membership;
  const base::Clock& clock_;
  const Duration sure_for_;
  std::atomic<bool> held_ = false;
  std::atomic<std::int64_t> confirmed_at_ = 0;  // monotonic, of the asking for the write that confirmed it
};

class Membership {
 public:
  struct Events {
    // After each look, the lease being sure: the replicas whose runs wait to be taken over.
    std::function<void(const std::vector<ReplicaId>& departed)> on_look;
    // The lease was taken away: nothing that this replica has in memory is its own any more.
    std::function<void()> on_lost;
  };
  Membership(store::Database& database, base::EventLoop& loop, const base::Clock& clock, LeaseOptions options,
             Events events);
  ~Membership();
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // Begins a life under this id. `done` gets null or what kept the store from being written; then ask again.
  void join(ReplicaId id, std::function<void(std::exception_ptr)> done);
  // Gives up the lease, and with it every run, so that others go on at once.
  void leave(std::function<void(std::exception_ptr)> done);
  // Looks again now: somebody said that there is something to see.
  void look_now();

  const ReplicaId& self() const { return self_; }
  const std::shared_ptr<Lease>& lease() const { return lease_; }

 private:
  struct Seen {
    std::int64_t beat = 0;
    int silent_looks = 0;
    Instant counted_at;  // monotonic: looks that come early, because a bell rang, count for nothing
  };
  void plan_look();
  void look();
  void watch(const std::map<std::string, std::int64_t>& others);
  void evict(const std::string& replica, std::int64_t beat);

  store::Database& database_;
  base::EventLoop& loop_;
  const base::Clock& clock_;
  const LeaseOptions options_;
  const Events events_;
  ReplicaId self_;
  std::shared_ptr<Lease> lease_;
  bool looking_ = false;
  bool look_again_ = false;
  base::EventLoop::TimerId timer_ = 0;
  std::map<std::string, Seen> others_;
  std::shared_ptr<Membership*> alive_;  // callbacks hold it weakly
};

}  // namespace slipway::durable
