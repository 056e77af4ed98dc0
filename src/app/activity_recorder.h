#pragma once
// Records when workspaces were last used: not each keystroke, but never losing the last of them. For the loop's thread.

#include <map>

#include "base/executor.h"
#include "fleet/workspace.h"
#include "store/store.h"

namespace slipway::app {

class ActivityRecorder {
 public:
  ActivityRecorder(store::Database& database, base::EventLoop& loop, const base::Clock& clock)
      : database_(database), loop_(loop), clock_(clock) {}

  // Written at once, or when the pause since the last one is over.
  void note(const base::WorkspaceId& workspace, fleet::Activity activity);

 private:
  struct Entry {
    base::Instant written;
    std::optional<fleet::Activity> waiting;
  };
  void write(const base::WorkspaceId& workspace, Entry& entry, const fleet::Activity& activity);
  void on_pause_over(const base::WorkspaceId& workspace);

  store::Database& database_;
  base::EventLoop& loop_;
  const base::Clock& clock_;
  std::map<base::WorkspaceId, Entry> recent_;  // those written within the last pause
};

}  // namespace slipway::app
