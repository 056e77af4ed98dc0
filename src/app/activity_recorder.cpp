#include "app/activity_recorder.h"

namespace slipway::app {
namespace {

constexpr base::Duration kPause = std::chrono::seconds(10);  // between two records of one workspace

}  // namespace

void ActivityRecorder::note(const base::WorkspaceId& workspace, fleet::Activity activity) {
  const auto [found, is_new] = recent_.try_emplace(workspace);
  if (is_new) {
    write(workspace, found->second, activity);
  } else {
    found->second.waiting = std::move(activity);
  }
}

void ActivityRecorder::write(const base::WorkspaceId& workspace, Entry& entry, const fleet::Activity& activity) {
  entry.written = clock_.now();
  database_.write([workspace, activity](store::Transaction& tx) { fleet::set_activity(tx, workspace, activity); },
                  [](std::exception_ptr) {});  // the next one says it better
  loop_.post_at(entry.written + kPause, [this, workspace] { on_pause_over(workspace); });
}

void ActivityRecorder::on_pause_over(const base::WorkspaceId& workspace) {
  const auto found = recent_.find(workspace);
  if (const auto waiting = std::exchange(found->second.waiting, std::nullopt)) {
    write(workspace, found->second, *waiting);
  } else {
    recent_.erase(found);
  }
}

}  // namespace slipway::app
