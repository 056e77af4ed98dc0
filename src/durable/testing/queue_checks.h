#pragma once
// What must hold of queues after every commit of anybody (queue.h), for the simulation.

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "store/store.h"

namespace slipway::durable::testing {

class QueueChecks {
 public:
  explicit QueueChecks(std::function<void(std::string)> fail) : fail_(std::move(fail)) {}
  void check(store::Transaction& tx);

 private:
  void check_limits(store::Transaction& tx);
  void check_order(store::Transaction& tx);
  void check_entries(store::Transaction& tx);
  // A limit may be lowered below what is at work, but nobody comes in before enough have left.
  void grows_over(const std::string& what, std::int64_t now, std::int64_t limit);

  std::function<void(std::string)> fail_;
  std::map<std::string, std::int64_t> before_;  // how many were admitted, by queue, or queue and key
  std::map<std::string, std::optional<std::int64_t>> paused_at_;
};

}  // namespace slipway::durable::testing
