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
  void on_failure(store::Transaction& tx, const WorkspaceRequest& request, const durable::BadEnd& end) const {
    fail_workspace(tx, request, end);
  }

 private:
  Services& services_;
};

}  // namespace slipway::workflows
