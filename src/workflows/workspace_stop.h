#pragma once
// Stops a workspace's machine, keeping its home, or suspends it, keeping its memory too (HUB-4, HUB-15).

#include "workflows/services.h"

namespace slipway::workflows {

class WorkspaceStop {
 public:
  static constexpr std::string_view kType = "workspace.stop";
  static std::vector<std::string> outline();
  explicit WorkspaceStop(Services& services) : services_(services) {}

  durable::Run<> operator()(durable::Context& run, WorkspaceRequest request) const;
  // A stop that was not possible or not wanted any more leaves the workspace as it was.
  void on_failure(store::Transaction& tx, const WorkspaceRequest& request, const durable::BadEnd& end) const;
  void on_retry(store::Transaction& tx, const WorkspaceRequest& request, const durable::Again& again) const {
    retry_workspace(tx, request, again, {fleet::WorkspaceStatus::READY, fleet::WorkspaceStatus::ERROR});
  }

 private:
  Services& services_;
};

}  // namespace slipway::workflows
