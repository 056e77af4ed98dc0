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

 private:
  Services& services_;
};

}  // namespace slipway::workflows
