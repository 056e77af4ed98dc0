#pragma once
// Since when nothing can take the jobs that ask for the same. That a job waits for long says nothing about it: it may
// have waited behind others, and its only daemon may be between a goodbye and its next registration.

#include <map>
#include <string>
#include <vector>

#include "fleet/job_census.h"

namespace slipway::app {

// Kept by each replica for itself: a hub that has begun anew counts anew, so that its own absence is no one's fault.
class UnservedWatch {
 public:
  // All that are unserved now; the others are forgotten.
  void note(const std::vector<fleet::Unserved>& unserved, base::Instant now) {
    std::map<std::string, base::Instant> since;
    for (const auto& group : unserved) {
      const auto before = since_.find(group.name());
      since.emplace(group.name(), before != since_.end() ? before->second : now);
    }
    since_ = std::move(since);
  }
  // Of the unserved ones: whether it has been so since `instant` or longer.
  bool since(const fleet::Unserved& group, base::Instant instant) const {
    const auto found = since_.find(group.name());
    return found != since_.end() && found->second <= instant;
  }

 private:
  std::map<std::string, base::Instant> since_;  // by Unserved::name
};

}  // namespace slipway::app
