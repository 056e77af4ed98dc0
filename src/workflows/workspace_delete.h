#pragma once
// Takes a workspace away: machine, home and record (HUB-3). Legal in every state.

#include "workflows/services.h"

namespace slipway::workflows {

class WorkspaceDelete {
 public:
  static constexpr std::string_view kType = "workspace.delete";
  static std::vector<std::string> outline();
  explicit WorkspaceDelete(Services& services) : services_(services) {}

  durable::Run<> operator()(durable::Context& run, WorkspaceRequest request) const;
  void on_failure(store::Transaction& tx, const WorkspaceRequest& request, const durable::BadEnd& end) const {
    fail_workspace(tx, request, end);
  }
  // Legal in every state, as the deletion is.
  void on_retry(store::Transaction& tx, const WorkspaceRequest& request, const durable::Again& again) const {
    using enum fleet::WorkspaceStatus;
    retry_workspace(tx, request, again, {PROVISIONING, READY, SUSPENDED, ERROR});
  }

 private:
  Services& services_;
};

}  // namespace slipway::workflows
