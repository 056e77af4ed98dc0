#pragma once
// Which workspaces' agents are connected and ready, for steps that run on workers. Thread-safe.

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "base/id.h"

namespace slipway::workflows {

class AgentPresence {
 public:
  // `poke` makes a waiting run look again at once; called from set_ready, on its thread.
  explicit AgentPresence(std::function<void(const base::RunId&)> poke) : poke_(std::move(poke)) {}

  void set_ready(const base::WorkspaceId& workspace) {
    std::optional<base::RunId> waiting;
    {
      const std::lock_guard lock(mutex_);
      ready_.insert(workspace);
      if (const auto found = waiting_.find(workspace); found != waiting_.end()) {
        waiting = found->second;
        waiting_.erase(found);
      }
    }
    if (waiting) poke_(*waiting);
  }
  void set_gone(const base::WorkspaceId& workspace) {
    const std::lock_guard lock(mutex_);
    ready_.erase(workspace);
  }
  bool is_ready(const base::WorkspaceId& workspace) const {
    const std::lock_guard lock(mutex_);
    return ready_.contains(workspace);
  }
  // The same, and if it is not: `run` wants to be poked when it is.
  bool is_ready_or_wait(const base::WorkspaceId& workspace, const base::RunId& run) {
    const std::lock_guard lock(mutex_);
    if (ready_.contains(workspace)) {
      waiting_.erase(workspace);
      return true;
    }
    waiting_[workspace] = run;
    return false;
  }

 private:
  mutable std::mutex mutex_;
  std::set<base::WorkspaceId> ready_;
  std::map<base::WorkspaceId, base::RunId> waiting_;
  std::function<void(const base::RunId&)> poke_;
};

}  // namespace slipway::workflows
