#pragma once
// Starts or resumes a workspace's machine, around the home that it kept (HUB-5, HUB-15).

#include "workflows/services.h"

namespace slipway::workflows {

class WorkspaceStart {
 public:
  static constexpr std::string_view kType = "workspace.start";
  static std::vector<std::string> outline();
  explicit WorkspaceStart(Services& services) : services_(services) {}

  durable::Run<> operator()(durable::Context& run, WorkspaceRequest request) const;
  void on_failure(store::Transaction& tx, const WorkspaceRequest& request, const durable::BadEnd& end) const {
    fail_workspace(tx, request, end);
  }
  void on_retry(store::Transaction& tx, const WorkspaceRequest& request, const durable::Again& again) const {
    retry_workspace(tx, request, again, {fleet::WorkspaceStatus::SUSPENDED, fleet::WorkspaceStatus::ERROR});
  }

 private:
  Services& services_;
};

}  // namespace slipway::workflows
