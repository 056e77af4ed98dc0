#pragma once
// Queues: how many runs of a kind may be at work at a time, how fast they may begin, and who is next.
//
// A start that names a queue waits in it as `pending` until a replica admits it (queue_admission.h): that is one
// transaction under the queue's lock, so limits hold over all replicas, whatever crashes. It keeps its place until it
// ends; while it sleeps or is parked, too, because what it made outside is still there. A queue that nobody made limits
// nothing: such a start begins at once.
//
// Who is next: a higher priority goes first, but every eighth place is for the one that has waited longest, so nobody
// waits for ever. Within a priority the keys take turns by weight, however many runs each of them has waiting. Within a
// priority and key the order is that of arrival; one that is to start later arrives when its time has come.

#include <boost/describe/enum.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "base/id.h"
#include "base/time.h"

namespace slipway::durable {

using base::Duration;
using base::Instant;

// Always there, and without limits unless an operator sets some: for starts that wait for their time or have a key of
// their own, and name no queue that exists.
inline constexpr std::string_view kDefaultQueue = "default";

// At most `count` at once, and `count` in each period on average (a token bucket that holds `count`).
struct Rate {
  std::int64_t count = 1;
  Duration period{1'000};
  bool operator==(const Rate&) const = default;
};

struct QueueLimits {
  std::optional<std::int64_t> concurrency;      // runs at work at a time
  std::optional<std::int64_t> key_concurrency;  // of each key; runs without a key are not counted
  std::optional<Rate> rate;
  std::optional<std::int64_t> size;  // runs that wait; a start beyond it is refused with QUEUE_FULL
  bool operator==(const QueueLimits&) const = default;
};

struct Pause {
  Instant at;
  std::string by;
  std::string reason;
};

struct Queue {
  std::string name;
  QueueLimits limits;
  std::optional<Pause> pause;  // nothing is admitted; what is at work goes on
};

// Several starts that are meant as one.
enum class DebounceMode {
  trailing,  // it begins when no start came for `wait`, with the input of the last; at most `wait_max` after the first
  leading,   // it begins with the first; starts that come within `wait` of each other are the same, up to `wait_max`
};
BOOST_DESCRIBE_ENUM(DebounceMode, trailing, leading)

struct Debounce {
  std::string key;  // within the workflow type and owner
  DebounceMode mode = DebounceMode::trailing;
  Duration wait{1'000};
  Duration wait_max{60'000};
};

inline constexpr std::int64_t kPriorityMax = 100;  // and -kPriorityMax is the least: so many classes, not more
inline constexpr std::int64_t kWeightMax = 1'000;

// How a start wishes to wait.
struct Ticket {
  std::string queue;          // empty: none
  std::string key;            // of fairness and the limit per key: whose it is, or what it uses
  std::int64_t priority = 0;  // a higher one goes first
  std::int64_t weight = 1;    // its key's turns, compared with those of other keys
  // A start under the same key (within type and owner) is the same run, until `dedup_kept` after that has ended.
  std::string dedup_key;
  Duration dedup_kept{0};
  std::optional<Debounce> debounce;
  std::optional<Instant> not_before;

  bool waits_by_itself() const { return !dedup_key.empty() || debounce || not_before; }
};

// Throws VALIDATION_ERROR naming the field.
void validate(const Ticket& ticket);
void validate(const QueueLimits& limits);
void validate_queue_name(std::string_view name);

}  // namespace slipway::durable
