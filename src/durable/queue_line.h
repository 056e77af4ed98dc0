#pragma once
// The decisions of queues as plain functions: how many may begin now, and in which order keys take turns. No I/O, no
// clock.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "durable/queue.h"

namespace slipway::durable {

// Why nobody else is admitted at this moment.
enum class WaitReason {
  next,             // nothing is in the way
  not_before,       // its own time has not come
  paused,           // the queue is
  concurrency,      // as many are at work as may be
  key_concurrency,  // of its key
  rate,             // as many have begun as may
  line,             // others are before it
};
BOOST_DESCRIBE_ENUM(WaitReason, next, not_before, paused, concurrency, key_concurrency, rate, line)

// A queue as its row has it, with what changes at every admission.
struct QueueRow {
  Queue queue;
  std::int64_t rate_used_until_us = 0;  // microseconds since 1970
  std::int64_t admissions = 0;          // ever
};

struct Places {
  std::int64_t free = 0;
  WaitReason reason = WaitReason::next;  // what bounds them
  std::optional<Instant> next_at;        // when the rate gives the next one
};
Places places_in(const QueueRow& row, std::int64_t admitted, Instant now);

// After `count` began at `now`. A clock that ran ahead for a while can cost the queue at most one period of standing
// still, and gives at most one bucket more.
std::int64_t use_rate(const Rate& rate, std::int64_t used_until_us, std::int64_t count, Instant now);

// Every so many places go to the one that has waited longest, whatever its priority.
inline constexpr std::int64_t kPlacesPerOldest = 8;

// Self-clocked fair queueing: a run's tag is the time, on a clock that runs with the admissions of its class, at which
// it would be through if its key had its weighted share of them. The smallest tag goes first.
class Tags {
 public:
  void set_virtual_time(std::int64_t priority, std::int64_t at) { virtual_time_[priority] = at; }
  void set_last(std::int64_t priority, const std::string& key, std::int64_t tag) { last_[{priority, key}] = tag; }
  std::int64_t give(std::int64_t priority, const std::string& key, std::int64_t weight);

  using LastTags = std::map<std::pair<std::int64_t, std::string>, std::int64_t>;
  const LastTags& last() const { return last_; }

 private:
  std::map<std::int64_t, std::int64_t> virtual_time_;
  LastTags last_;
};

}  // namespace slipway::durable
