#pragma once
// Makes the machine of a new workspace and waits until it can be reached (HUB-2, HUB-14).

#include "workflows/services.h"

namespace slipway::workflows {

class WorkspaceCreate {
 public:
  static constexpr std::string_view kType = "workspace.create";
  static std::vector<std::string> outline();
  explicit WorkspaceCreate(Services& services) : services_(services) {}

  durable::Run<> operator()(durable::Context& run, WorkspaceRequest request) const;
  void on_failure(store::Transaction& tx, const WorkspaceRequest& request, const durable::BadEnd& end) const {
    fail_workspace(tx, request, end);
  }
  // What a failed creation left is ERROR; it is being provisioned again.
  void on_retry(store::Transaction& tx, const WorkspaceRequest& request, const durable::Again& again) const {
    retry_workspace(tx, request, again, {fleet::WorkspaceStatus::ERROR});
    fleet::provision_again(tx, request.workspace_id, again.run, again.at);
  }

 private:
  Services& services_;
};

}  // namespace slipway::workflows
