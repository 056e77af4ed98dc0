#pragma once
// What a puller holds, and what is to be told to the service about it: answers and extensions. A plain state machine
// without threads or clock; pubsub_puller.cpp drives it.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace slipway::google::detail {

using Moment = std::chrono::steady_clock::time_point;

struct LeaseSettings {
  base::Duration first_look, lease, lease_max, answer_delay;
};

class Leases {
 public:
  explicit Leases(LeaseSettings settings) : settings_(settings) {}

  // The number by which the message is answered.
  std::uint64_t hold(std::string ack_id, std::size_t bytes, Moment now);
  // False when it is answered already, or was let go.
  bool ack(std::uint64_t number, Moment now);
  bool nack(std::uint64_t number, base::Duration delay, Moment now);
  // All that is held, to come again at once.
  void nack_all(Moment now);

  struct Work {
    std::vector<std::string> acks;
    std::map<base::Duration, std::vector<std::string>> deadlines;  // of what was given back, and of extensions
    std::size_t let_go = 0;
    bool empty() const { return acks.empty() && deadlines.empty(); }
  };
  // What is to be sent by now; counts as sent.
  Work take(Moment now);
  // When there will be something to take, if nothing happens meanwhile.
  std::optional<Moment> next() const;

  std::size_t held() const { return held_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::optional<Moment> oldest() const;

 private:
  struct Held {
    std::string ack_id;
    std::size_t bytes;
    Moment since, extend_at;
  };
  std::optional<Held> remove(std::uint64_t number);

  const LeaseSettings settings_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Held> held_;  // in the order of their coming
  std::multimap<Moment, std::uint64_t> extensions_;
  std::size_t bytes_ = 0;
  Work answers_;
  std::optional<Moment> answers_at_;
};

}  // namespace slipway::google::detail
